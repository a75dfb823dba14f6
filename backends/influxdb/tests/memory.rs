//! A delivery takes memory for a body, however many series there are. In a process of its own, whose allocator counts.

use ferrometer_influxdb::{InfluxDb, Protocol, Settings};
use ferrometer_push_testkit::http::{Answer, Server};
use ferrometer_push_testkit::peak::{Counting, assert_bounded};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BODY: usize = 32 * 1024;

#[test]
fn a_delivery_of_many_series_takes_no_more_than_one_of_few() {
    let server = Server::start(|_| Answer::status(204));
    let mut settings = Settings::new("127.0.0.1", server.address.port()).protocol(Protocol::Http);
    settings.max_body_size = BODY;
    assert_bounded(&server, InfluxDb::new(settings).unwrap(), BODY);
}
