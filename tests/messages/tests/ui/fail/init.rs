//! What a configuration can come from.

fn main() {
    let _metrics = ferrometer::init(8125);
}
