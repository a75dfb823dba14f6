//! Metrics of objects: they are told from those of the program, whatever else is the same, and are bounded like labels.

use ferrometer_core::{Limits, Naming, configure, get_logger, name, refused};

/// The name with labels folded in, as exporters render it.
fn folded_name(series: &ferrometer_core::Series) -> String {
    let mut out = Naming::default().render(series.logger_name(), series.metric_name());
    name::push_labels(&mut out, series.labels_with_object());
    out
}

#[test]
fn objects() {
    let logger = get_logger("vm");
    let (a, b) = (logger.for_object("qemu/100"), logger.for_object("qemu/101"));
    assert_ne!(a, b);
    assert_ne!(a, logger);
    // One object, however it is written; and the way back.
    assert_eq!(a, logger.for_object("/qemu//100/"));
    assert_eq!(a.for_object("qemu/101"), b);
    assert_eq!(a.for_object("host"), logger);
    assert_eq!(a.for_object(""), logger);
    // Whichever comes first.
    assert_eq!(a.with("disk", "0").child("io"), logger.child("io").with("disk", "0").for_object("qemu/100"));
    assert_eq!(format!("{:?}", a.with("disk", "0")), "Logger(vm for qemu/100 disk=\"0\")");

    // Series of the same name are not one instrument, and none is the label `object`.
    let series =
        [logger.clone(), a.clone(), b.clone(), logger.with("object", "qemu/100")].map(|l| l.gauge("mem").series());
    for (at, one) in series.iter().enumerate() {
        assert!(series[at + 1..].iter().all(|other| !one.same_instrument(other)));
    }
    assert_eq!(series.map(|s| s.object()), [None, Some("qemu/100"), Some("qemu/101"), None]);
    assert_eq!(series.map(|s| s.labels().count()), [0, 0, 0, 1]);
    assert_eq!(a.gauge("mem").series().id(), series[1].id());
    // As the name of one that has labels.
    assert_eq!(folded_name(series[1]), "vm.mem.object.qemu_100");
    let hostile = logger.for_object("a:1|c\nb/../\u{202e}").with("k", "v").gauge("mem").series();
    assert_eq!(hostile.object(), Some("a_1_c_b/_./_"));
    assert_eq!(folded_name(hostile), "vm.mem.object.a_1_c_b_____.k.v");

    // Too long, and too many.
    let long = refused().long_names;
    assert!(logger.for_object(&"x".repeat(129)).name().starts_with("ferrometer.overflow"));
    assert_eq!(refused().long_names, long + 1);
    configure(Naming::default(), Limits::default().max_label_sets(16), Vec::new());
    let before = refused().label_sets;
    let overflown = (0..100).filter(|n| get_logger("many").for_object(&format!("lxc/{n}")).name() != "many").count();
    assert!((84..100).contains(&overflown), "{overflown}");
    assert_eq!(refused().label_sets - before, overflown as u64);
    // Those that found a place keep it.
    assert_eq!(logger.for_object("qemu/100"), a);
}
