//! Bodies that come compressed.

mod common;

use common::Api;
use ferrometer_gnocchi::Settings;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_and_zstd_are_read_and_nothing_else_is() {
    let api = Api::new(Settings { max_body: 1 << 20, ..Settings::default() });
    let metric = api.metric(json!({"archive_policy_name": "high"}));
    let path = format!("/v1/metric/{metric}/measures");
    let body = json!([{"timestamp": 60, "value": 1}, {"timestamp": 61, "value": 3}]).to_string();
    let post = |encoding: &str, body: &[u8]| api.send("admin", "POST", &path, &[("content-encoding", encoding)], body);
    post("gzip", &gzip(body.as_bytes())).is(202);
    post("X-GZIP", &gzip(body.as_bytes())).is(202);
    post("zstd", &zstd::encode_all(body.as_bytes(), 3).unwrap()).is(202);
    post("identity", body.as_bytes()).is(202);
    assert_eq!(api.get(&format!("{path}?granularity=60")).is(200)[0][2], 2.0);
    let told = post("br", body.as_bytes()).is(415);
    assert_eq!(told["description"], "a body in Content-Encoding \"br\" is not read; known are gzip, zstd");
    for encoding in ["gzip", "zstd"] {
        assert_eq!(post(encoding, body.as_bytes()).is(400)["description"]["cause"], "Unable to decode body");
        // Cut in the middle.
        let whole =
            if encoding == "gzip" { gzip(body.as_bytes()) } else { zstd::encode_all(body.as_bytes(), 3).unwrap() };
        post(encoding, &whole[..whole.len() - 5]).is(400);
    }
    // A bomb: 64 MiB of spaces in a few hundred kilobytes at most.
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let told = post("gzip", &bomb).is(413);
    assert!(told["description"].as_str().unwrap().contains("1048576 bytes when it is decompressed"), "{told}");
    // A refused body takes no memory: there is room for more than fits at once.
    for _ in 0..10 {
        post("gzip", &bomb).is(413);
        post("gzip", &gzip(body.as_bytes())).is(202);
    }
}
