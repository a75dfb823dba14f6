//! A conductor in the HTTP frame and an agent's client: what is told arrives, and what is no answer is no more than a failure.

use ferrometer_agent::{AnyNode, Client, LookupRoutes, Node, NodeList, Options, Settings, Value};
use ferrometer_http::{Frame, Server};
use ferrometer_push_testkit::http::{self, Answer};
use std::sync::Arc;
use std::time::{Duration, Instant};

const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";
const MAC: &str = "52:54:00:ab:cd:01";
const SECRET: &str = "s3cr3t-t0ken";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn options() -> Options {
    Options::new()
        .backend("statsd")
        .statsd("10.0.0.1", 8125)
        .prepend_host(true)
        .prepend_uuid(true)
        .beside("heartbeat_timeout", 300)
}

fn nodes() -> NodeList {
    let nodes = NodeList::default();
    nodes.put(Node::new(UUID).unwrap().address(MAC).show("name", "n1").show("uuid", "forged"));
    nodes
}

fn serve(frame: Frame) -> (Server, String) {
    let server = frame.address("127.0.0.1:0".parse().unwrap()).serve().unwrap();
    let url = format!("http://{}", server.local_addr());
    (server, url)
}

fn client(url: &str, node: &str) -> Client {
    Client::new(&Settings::new(url, node).unwrap().timeout(Duration::from_secs(60))).unwrap()
}

#[test]
fn an_agent_is_told_at_both_addresses_by_uuid_and_by_address() {
    let lookup = Arc::new(LookupRoutes::new(options(), nodes()));
    let (server, url) = serve(Frame::new().mount("/", Arc::clone(&lookup) as _));
    for path in
        ["/v1/lookup", "/drivers/agent_ipmitool/vendor_passthru/lookup", "/v1/drivers/agent_ssh/vendor_passthru/lookup"]
    {
        for node in [UUID, MAC, "52:54:00:00:00:00,52:54:00:AB:CD:01"] {
            let answer = client(&format!("{url}{path}"), node).lookup(soon()).unwrap();
            assert_eq!(answer.uuid.as_deref(), Some(UUID), "{path} {node}");
            assert_eq!(Value::Object(answer.metrics), options().config()["metrics"]);
            assert_eq!(Value::Object(answer.statsd), options().config()["metrics_statsd"]);
        }
    }
    // By hand, as the document has it.
    let (status, body) = http::ask(server.local_addr(), "GET", &format!("/v1/lookup?addresses=&node_uuid={UUID}"));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["node"]["uuid"], &body["node"]["name"]), (200, &Value::from(UUID), &Value::from("n1")));
    assert_eq!(body["config"]["heartbeat_timeout"], 300);
    // Changed while it is served.
    lookup.set_options(Options::new().backend("noop"));
    let answer = client(&format!("{url}/v1/lookup"), UUID).lookup(soon()).unwrap();
    assert_eq!((answer.metrics.len(), answer.statsd.len()), (1, 0));
}

#[test]
fn who_is_not_known_is_not_told() {
    let (server, url) = serve(Frame::new().mount("/", Arc::new(LookupRoutes::new(options(), nodes()))));
    let other = "2be26c0b-03f2-4d2e-ae87-c02d7f33c123";
    let failure = client(&format!("{url}/v1/lookup"), other).lookup(soon()).unwrap_err();
    assert!(failure.reason.contains("answers 404") && failure.reason.contains("no node of this UUID"), "{failure}");
    for (target, expected) in [
        ("/v1/lookup", 400),
        ("/v1/lookup?node_uuid=%00", 400),
        ("/v1/lookup?addresses=52:54:00:00:00:00", 404),
        ("/v1/lookup/", 404),
        ("/drivers//vendor_passthru/lookup", 400),
    ] {
        let (status, body) = http::ask(server.local_addr(), "GET", target);
        assert_eq!(status, expected, "{target}: {body}");
        assert!(!body.contains("10.0.0.1"), "{body}");
    }
    let (any, url) = serve(Frame::new().mount("/", Arc::new(LookupRoutes::new(options(), AnyNode))));
    assert_eq!(client(&format!("{url}/v1/lookup"), other).lookup(soon()).unwrap().uuid.as_deref(), Some(other));
    assert_eq!(http::ask(any.local_addr(), "GET", "/v1/lookup?addresses=52:54:00:00:00:00").0, 404);
}

#[test]
fn two_nodes_of_one_address_are_told_and_none_is_guessed() {
    let nodes = nodes();
    let other = "2be26c0b-03f2-4d2e-ae87-c02d7f33c123";
    nodes.put(format!("{other}=52-54-00-AB-CD-01,52:54:00:ab:cd:09").parse().unwrap());
    let (_server, url) = serve(Frame::new().mount("/", Arc::new(LookupRoutes::new(options(), nodes))));
    let failure = client(&format!("{url}/v1/lookup"), MAC).lookup(soon()).unwrap_err();
    assert!(failure.reason.contains("answers 503") && failure.retry_after.is_some(), "{failure:?}");
    assert!(failure.reason.contains(&format!("two nodes, {UUID} and {other}")), "{failure}");
    // The others of both find theirs, however they are written.
    let answer = client(&format!("{url}/v1/lookup"), "52-54-00-AB-CD-09").lookup(soon()).unwrap();
    assert_eq!(answer.uuid.as_deref(), Some(other));
    for (text, expected) in [
        (format!("{UUID}=eth0"), "or MAC addresses"),
        (format!("{UUID}=52:54:00:ab:cd:01;52:54:00:ab:cd:02"), "or MAC addresses"),
        (format!("{UUID}={other}"), "behind the = is another UUID"),
        ("node-7=52:54:00:ab:cd:01".to_owned(), "expected a UUID"),
    ] {
        let said = text.parse::<Node>().unwrap_err().to_string();
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(format!("{UUID}=").parse::<Node>().unwrap(), Node::new(UUID).unwrap());
}

#[test]
fn tokens_guard_what_is_told_and_are_not_shown() {
    // sha256 of the token below.
    let tokens = vec![format!("agents={}", sha256_of_token())];
    let routes = Arc::new(LookupRoutes::new(options(), nodes()));
    let (_server, url) = serve(Frame::new().tokens(&tokens).mount("/", routes));
    let settings = |token: &str| Settings::new(format!("{url}/v1/lookup"), UUID).unwrap().token(token);
    assert!(Client::new(&settings(SECRET)).unwrap().lookup(soon()).is_ok());
    let settings = settings("wrong-t0ken");
    let client = Client::new(&settings).unwrap();
    let failure = client.lookup(soon()).unwrap_err();
    let said = format!("{failure} {failure:?} {client:?} {settings:?}");
    assert!(failure.reason.contains("answers 401") && !said.contains("wrong-t0ken"), "{said}");
}

/// As `printf %s s3cr3t-t0ken | sha256sum` prints it.
fn sha256_of_token() -> String {
    let output =
        std::process::Command::new("sh").args(["-c", &format!("printf %s {SECRET} | sha256sum")]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", text.split(' ').next().unwrap())
}

#[test]
fn what_is_no_answer_is_a_failure_in_bounded_time_and_memory() {
    for (answer, expected) in [
        (Answer::Status(200, "", b"<html>not here</html>".to_vec()), "no JSON"),
        (Answer::Status(200, "", Vec::new()), "no JSON"),
        (Answer::Status(200, "", vec![b'['; 60_000]), "no JSON"),
        (Answer::Status(200, "", br#"{"config":{"metrics":{"statsd_port":NaN}}}"#.to_vec()), "no JSON"),
        (Answer::Status(200, "", br#"{"config":[]}"#.to_vec()), "config is a list"),
        (Answer::Status(200, "", vec![b' '; 70_000]), "which is too long for a lookup"),
        (Answer::Status(200, "Content-Length: 1073741824\r\n", vec![b'x'; 70_000]), ""),
        (
            Answer::Status(200, "", format!(r#"{{"node":{{"uuid":"{}"}}}}"#, UUID.replace('1', "2")).into_bytes()),
            "for another node",
        ),
        (Answer::Status(302, "Location: http://127.0.0.1:1/evil\r\n", Vec::new()), "a redirect, which is not followed"),
        (Answer::Status(503, "Retry-After: 7\r\n", b"busy".to_vec()), "answers 503: busy"),
        (Answer::Status(406, "", b"needs version 1.22".to_vec()), "answers 406: needs version 1.22"),
        (Answer::Endless, "which is too long for a lookup"),
        (Answer::Garbage, ""),
        (Answer::Cut, ""),
    ] {
        let shown = format!("{:.80}", format!("{answer:?}"));
        let server = http::Server::start(move |_| answer.clone());
        let settings = Settings::new(format!("{}/v1/lookup", server.url()), UUID).unwrap().token(SECRET);
        let failure = Client::new(&settings.timeout(Duration::from_secs(60))).unwrap().lookup(soon()).unwrap_err();
        assert!(failure.reason.contains(expected) && failure.reason.len() < 600, "{shown}: {failure}");
        assert!(!failure.reason.contains(SECRET), "{failure}");
        assert_eq!(failure.retry_after, expected.contains("503").then_some(Duration::from_secs(7)));
    }
    let server = http::Server::start(|_| Answer::Slow(Duration::from_secs(120)));
    let failure = client(&server.url(), UUID).lookup(Instant::now() + Duration::from_millis(200)).unwrap_err();
    assert!(failure.reason.contains("no answer in time"), "{failure}");
}

/// A conductor that begins to answer and stops, or that sends a byte now and then.
#[test]
fn half_an_answer_ends_with_the_time_that_a_lookup_has() {
    use std::io::{Read, Write};
    use std::sync::mpsc;

    const BEGUN: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{\"node\": ";
    for cut in [0, 12, BEGUN.len() - 20, BEGUN.len()] {
        for drips in [false, true] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/v1/lookup", listener.local_addr().unwrap());
            let (end, ended) = mpsc::channel::<()>();
            let conductor = std::thread::spawn(move || {
                let (mut agent, _) = listener.accept().unwrap();
                let _ = agent.read(&mut [0; 4096]);
                let _ = agent.write_all(&BEGUN[..cut]);
                // Until the agent has given up.
                let mut rest = BEGUN[cut..].iter().chain(std::iter::repeat(&b' '));
                while ended.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
                    if drips && agent.write_all(&[*rest.next().unwrap()]).is_err() {
                        break;
                    }
                }
            });
            let (say, said) = mpsc::channel();
            std::thread::spawn(move || {
                say.send(client(&url, UUID).lookup(Instant::now() + Duration::from_millis(300)))
            });
            let failure = said.recv_timeout(Duration::from_secs(60)).expect("the lookup ends").unwrap_err();
            assert!(failure.reason.contains("in time"), "{cut} {drips}: {failure}");
            drop(end);
            conductor.join().unwrap();
        }
    }
}

#[test]
fn a_question_says_what_ironic_asks_for() {
    let server = http::Server::start(|_| Answer::Status(200, "", b"{}".to_vec()));
    client(&format!("{}/v1/lookup?x=1", server.url()), UUID).lookup(soon()).unwrap();
    client(&format!("{}/v1/drivers/d/vendor_passthru/lookup", server.url()), MAC).lookup(soon()).unwrap();
    let requests = server.take();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].target.as_str()),
        ("GET", &*format!("/v1/lookup?x=1&node_uuid={UUID}"))
    );
    assert_eq!(requests[0].header("x-openstack-ironic-api-version"), Some("1.22"));
    assert_eq!((requests[1].method.as_str(), requests[1].header("content-type")), ("POST", Some("application/json")));
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body["inventory"]["interfaces"][0]["mac_address"], MAC);
}

#[test]
fn a_conductor_over_tls_is_believed_by_its_authority_alone() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = ferrometer_testkit::Scratch::new("agent-tls");
    let cert = folder.file("cert.pem", certificate.pem().as_bytes());
    let key = folder.file("key.pem", key.serialize_pem().as_bytes());
    let frame = Frame::new().tls(&cert, &key).mount("/", Arc::new(LookupRoutes::new(options(), nodes())));
    let server = frame.address("127.0.0.1:0".parse().unwrap()).serve().unwrap();
    let settings =
        || Settings::new(format!("https://localhost:{}/v1/lookup", server.local_addr().port()), UUID).unwrap();
    assert!(Client::new(&settings()).unwrap().lookup(soon()).is_err());
    assert!(Client::new(&settings().ca(&cert)).unwrap().lookup(soon()).is_ok());
    assert!(Client::new(&settings().verify_certificate(false)).unwrap().lookup(soon()).is_ok());
    assert!(Client::new(&settings().ca(folder.path().join("none.pem"))).is_err());
}

#[test]
fn a_program_mounts_them_in_its_own_axum() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Arc::new(LookupRoutes::new(options(), nodes())).router();
    runtime.spawn(async move { axum::serve(listener, app).await });
    for path in ["/v1/lookup", "/drivers/d/vendor_passthru/lookup"] {
        assert!(client(&format!("{url}{path}"), UUID).lookup(soon()).is_ok(), "{path}");
    }
    let failure = client(&format!("{url}/v1/lookup"), "52:54:00:00:00:00").lookup(soon()).unwrap_err();
    assert!(failure.reason.contains("answers 404"), "{failure}");
}
