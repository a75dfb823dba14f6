//! A delivery takes memory for a body, however many series there are. In a process of its own, whose allocator counts.

use ferrometer_push_testkit::http::{Answer, Server};
use ferrometer_push_testkit::peak::{Counting, assert_bounded};
use ferrometer_remote_write::{RemoteWrite, Settings};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BODY: usize = 32 * 1024;

#[test]
fn a_delivery_of_many_series_takes_no_more_than_one_of_few() {
    let server =
        Server::start(|_| Answer::Status(204, "X-Prometheus-Remote-Write-Samples-Written: 1000000\r\n", Vec::new()));
    let mut settings = Settings::new(format!("{}/write", server.url()));
    settings.max_body_size = BODY;
    assert_bounded(&server, RemoteWrite::new(settings).unwrap(), BODY);
}
