//! Tests of many datagrams in one call, with a kernel that does not cut them.

use super::*;
use std::net::UdpSocket;

#[test]
fn what_the_kernel_does_not_cut_goes_one_by_one() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let received = || receiver.recv(&mut [0; 2000]).unwrap();
    let transport = Transport::Udp { host: "127.0.0.1".to_owned(), port: receiver.local_addr().unwrap().port() };
    let mut connection = Connection::new(&Settings::new(transport), 64);
    connection.begin();
    let until = Instant::now() + Duration::from_secs(60);
    connection.wait_resolved(until);
    assert_eq!(connection.at_once(), 1, "nobody has answered yet");
    connection.send(b"a:1|c", until).unwrap();
    assert_eq!(received(), 5);
    assert!(connection.at_once() > 2);
    assert!(connection.send_at_once(&[b'x'; 160], 3, until).unwrap().is_some());
    assert_eq!([received(), received(), received()], [64, 64, 32]);
    // No kernel takes this many; none of them is sent, and the socket forgets the size.
    assert!(connection.send_at_once(&[b'x'; 64 * 1000], 1000, until).unwrap().is_none());
    assert_eq!(connection.at_once(), 1);
    connection.send(&[b'y'; 160], until).unwrap();
    assert_eq!(received(), 160);
}
