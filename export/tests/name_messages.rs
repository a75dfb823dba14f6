//! Refused names are reported in one line for each cause and minute, and no name, however hostile, can break that line.

#[path = "../../metrics-core/tests/support/subscriber.rs"]
mod foreign;

use ferrometer_core::{Cause, Naming, Series, get_logger};
use ferrometer_export::{NameTable, folded_name, full_name};
use foreign::Subscriber;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

static LINES: AtomicU64 = AtomicU64::new(0);
/// Lines that hold a line break, or colour a terminal.
static BROKEN: AtomicU64 = AtomicU64::new(0);

fn heard(line: String) {
    LINES.fetch_add(1, SeqCst);
    BROKEN.fetch_add(u64::from(line.contains(char::is_control)), SeqCst);
}

fn claim(names: &mut NameTable, series: &'static Series) -> Result<(), Cause> {
    let name = full_name(&Naming::default(), series);
    names.claim(series, &name, [name.as_str().into()])
}

#[test]
fn refusals_are_told_once_and_in_one_line() {
    tracing::subscriber::set_global_default(Subscriber(heard)).unwrap();
    let mut names = NameTable::new();
    for i in 0..3000 {
        let series = get_logger("long\nERROR a line of its own").counter(format!("{}{i}", "n".repeat(600))).series();
        assert_eq!(claim(&mut names, series), Err(Cause::Name));
    }
    assert_eq!(LINES.load(SeqCst), 1);
    let [one, other] = ["c\nERROR", "c|ERROR"].map(|name| get_logger("\u{1b}[31mred").counter(name).series());
    assert_eq!((claim(&mut names, one), claim(&mut names, other)), (Ok(()), Err(Cause::Collision)));
    assert_eq!((LINES.load(SeqCst), BROKEN.load(SeqCst)), (2, 0));
}

#[test]
fn objects_are_folded_like_the_first_label() {
    let logger = get_logger("vm");
    let naming = Naming::default();
    let series = logger.for_object("qemu/100").gauge("mem").series();
    assert_eq!(full_name(&naming, series), "vm.mem");
    assert_eq!(folded_name(&naming, series), "vm.mem.object.qemu_100");
    let hostile = logger.for_object("a:1|c\nb/../\u{202e}").with("k", "v").gauge("mem").series();
    assert_eq!(folded_name(&naming, hostile), "vm.mem.object.a_1_c_b_____-183477b7.k.v");
}
