//! Sources of a configuration.

fn main() {
    let _metrics = ferrometer::init(8125);
}
