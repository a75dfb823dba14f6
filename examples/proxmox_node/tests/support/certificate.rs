//! Certificates of this machine, each signed by itself.

use ferrometer_testkit::Scratch;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// A certificate for this machine: where it is, and its fingerprint.
pub struct Certificate {
    pub cert: PathBuf,
    pub key: PathBuf,
    pub fingerprint: String,
}

pub fn certificate(scratch: &Scratch, name: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let cert = scratch.file(&format!("{name}.crt"), made.cert.pem().as_bytes());
    let key = scratch.file(&format!("{name}.key"), made.signing_key.serialize_pem().as_bytes());
    let fingerprint = Sha256::digest(made.cert.der()).iter().map(|b| format!("{b:02x}")).collect();
    Certificate { cert, key, fingerprint }
}
