//! The end of a server, whatever it is doing: nobody waits for it longer than told.

mod support;

use ferrometer_http::{Frame, Response, Route, Server, Service, StatusCode, respond};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Client, MS, frame};

/// How long the held handler waits at most; a test that comes there has failed.
const NEVER: Duration = Duration::from_secs(60);

/// Holds up the thread that serves until it is let go.
struct Holding {
    begun: Sender<()>,
    go: Arc<Mutex<Receiver<()>>>,
}

impl Service for Holding {
    fn name(&self) -> &'static str {
        "holding"
    }

    fn routes(self: Arc<Self>) -> Vec<Route> {
        let (begun, go) = (self.begun.clone(), Arc::clone(&self.go));
        let hold = async move || -> Response {
            let _ = begun.send(());
            let let_go = go.lock().unwrap().recv_timeout(NEVER) != Err(RecvTimeoutError::Timeout);
            respond(if let_go { StatusCode::OK } else { StatusCode::GATEWAY_TIMEOUT }, "text/plain", "")
        };
        vec![Route::get("/hold", hold)]
    }
}

/// A server whose thread is held up, its client, and what lets it go.
fn held() -> (Server, TcpStream, Sender<()>) {
    let ((begun, begins), (let_go, go)) = (mpsc::channel(), mpsc::channel());
    let holding = Arc::new(Holding { begun, go: Arc::new(Mutex::new(go)) });
    let server = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", holding).serve().unwrap();
    let mut client = TcpStream::connect(server.local_addr()).unwrap();
    client.write_all(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    begins.recv().unwrap();
    (server, client, let_go)
}

/// The answer of a handler that nobody let go says so.
fn is_late(mut client: TcpStream) -> bool {
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer);
    answer.starts_with("HTTP/1.1 504")
}

#[test]
fn a_server_that_is_held_up_is_left_behind_and_its_port_is_free() {
    let (server, client, let_go) = held();
    let address = server.local_addr();
    assert!(!server.stop(50 * MS));
    let next = frame().address(address).serve().unwrap();
    assert_eq!(Client::to(&next).get("/small/hello").body, "hello");
    drop(let_go);
    assert!(!is_late(client));
    assert!(next.stop(NEVER));
}

#[test]
fn dropping_a_server_that_is_held_up_comes_back() {
    let (server, client, let_go) = held();
    drop(server);
    drop(let_go);
    assert!(!is_late(client));
}

#[test]
fn a_server_with_work_on_other_threads_ends() {
    struct Working(Arc<Mutex<Receiver<()>>>, Sender<()>);
    impl Service for Working {
        fn name(&self) -> &'static str {
            "working"
        }

        fn routes(self: Arc<Self>) -> Vec<Route> {
            let work = async move || {
                let (go, begun) = (Arc::clone(&self.0), self.1.clone());
                let work = move || {
                    let _ = begun.send(());
                    go.lock().unwrap().recv_timeout(NEVER) == Err(RecvTimeoutError::Timeout)
                };
                let done = ferrometer_http::offload(work).await;
                respond(StatusCode::OK, "text/plain", format!("{}", done.is_ok()))
            };
            vec![Route::get("/work", work)]
        }
    }
    let ((begun, begins), (let_go, go)) = (mpsc::channel(), mpsc::channel::<()>());
    let go = Arc::new(Mutex::new(go));
    let working = Arc::new(Working(Arc::clone(&go), begun));
    let server = Frame::new().address("127.0.0.1:0".parse().unwrap()).mount("/", working).serve().unwrap();
    let mut client = TcpStream::connect(server.local_addr()).unwrap();
    client.write_all(b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    begins.recv().unwrap();
    drop(server);
    // The work still holds the lock: nobody waited for its end.
    assert!(go.try_lock().is_err());
    drop(let_go);
}
