//! Whatever way labels are given, what is recorded stands in the series of just these labels: call sites with keys in other orders,
//! parents whose labels are replaced, objects, one key twice, empty texts, numbers that say something else than their texts.

mod support;

use ferrometer_core::__private::{FixedNumber as _, LabelProbe, LabelledSite, NoNumber as _};
use ferrometer_core::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::thread;
use support::{NEVER, SOON, sink};

/// Literals, some of which begin at one address.
const LONG: &str = "abcdefghijklmnop";
static TEXTS: LazyLock<[&str; 9]> =
    LazyLock::new(|| [&LONG[..0], &LONG[..1], "b", &LONG[..2], "a\0", &LONG[..15], LONG, "ä", "a"]);

/// One of the texts: as a literal, or in a buffer that had another text at the same address before.
fn text(number: usize, written: bool, buffer: &mut String) -> &str {
    if !written {
        return TEXTS[number];
    }
    buffer.clear();
    buffer.push_str(TEXTS[number]);
    buffer
}

/// A value whose text is not what it says of itself, and whose number is sometimes none.
#[derive(Clone, Copy)]
struct Liar(usize);

impl LabelValue for Liar {
    const VALUES: &'static [&'static str] = &["zero", "one", "one", ""];
    fn index(&self) -> usize {
        if self.0 < 6 { self.0 } else { usize::MAX - self.0 }
    }
}

impl AsRef<str> for Liar {
    fn as_ref(&self) -> &str {
        TEXTS[self.0 % TEXTS.len()]
    }
}

type Labels = BTreeMap<String, String>;

fn labels<'l>(parent: &Labels, given: impl IntoIterator<Item = (&'l str, &'l str)>) -> Labels {
    let mut all = parent.clone();
    all.extend(given.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())));
    all
}

/// Sums of what was recorded, by object and labels.
type Sums = BTreeMap<(Option<&'static str>, Labels), u64>;

fn work(seed: u64) -> Sums {
    static AB: LabelledSite<2> = LabelledSite::new("c", &["a", "b"], Kind::Counter, 0.0);
    static BA: LabelledSite<2> = LabelledSite::new("c", &["b", "a"], Kind::Counter, 0.0);
    static A: LabelledSite<1> = LabelledSite::new("c", &["a"], Kind::Counter, 0.0);
    static ABC: LabelledSite<3> = LabelledSite::new("c", &["a", "b", "c"], Kind::Counter, 0.0);
    static NUMBERS: LabelledSite<2> = LabelledSite::new("c", &["a", "b"], Kind::Counter, 0.0);
    static MIXED: LabelledSite<2> = LabelledSite::new("c", &["a", "b"], Kind::Counter, 0.0);
    let mut state = seed;
    let mut next = move |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % n
    };
    let root = get_logger("labels");
    let parents: Vec<(Logger, Option<&'static str>, Labels)> = [None, Some("qemu/1")]
        .into_iter()
        .flat_map(|object| [&[][..], &[("a", "a")], &[("b", "x"), ("c", "y")]].map(|given| (object, given)))
        .map(|(object, given)| {
            let logger = object.map_or_else(|| root.clone(), |object| root.for_object(object));
            (logger.with_all(given), object, labels(&Labels::new(), given.iter().copied()))
        })
        .collect();
    let mut sums = Sums::new();
    let mut buffers = [String::with_capacity(32), String::with_capacity(32)];
    for _ in 0..20_000 {
        let (logger, object, parent) = &parents[next(parents.len())];
        let [first, second] = &mut buffers;
        let x = text(next(TEXTS.len()), next(2) == 0, first);
        let y = text(next(TEXTS.len()), next(2) == 0, second);
        let (m, n) = (Liar(next(8)), Liar(next(8)));
        let text = |l: &Liar| Liar::VALUES.get(l.index()).copied().unwrap_or(TEXTS[l.0]);
        let given: Vec<(&str, &str)> = match next(10) {
            0 => {
                AB.add(logger, 1, (), || [x, y]);
                vec![("a", x), ("b", y)]
            }
            1 => {
                BA.add(logger, 1, (), || [x, y]);
                vec![("b", x), ("a", y)]
            }
            2 => {
                A.add(logger, 1, ((&LabelProbe(x)).__ferrometer_label_number(),), || [x]);
                vec![("a", x)]
            }
            3 => {
                let numbers = (LabelProbe(&m).__ferrometer_label_number(), LabelProbe(&n).__ferrometer_label_number());
                NUMBERS.add(logger, 1, numbers, || [m.as_ref(), n.as_ref()]);
                vec![("a", text(&m)), ("b", text(&n))]
            }
            4 => {
                // One that has no number takes both to their texts.
                let numbers =
                    (LabelProbe(&m).__ferrometer_label_number(), (&LabelProbe(y)).__ferrometer_label_number());
                MIXED.add(logger, 1, numbers, || [m.as_ref(), y]);
                vec![("a", TEXTS[m.0]), ("b", y)]
            }
            5 => {
                let all = [("a", x), ("b", y), ("a", y)];
                logger.with_all(&all).send_counter("c", 1);
                all.to_vec()
            }
            6 => {
                // Other values than 1 take another way.
                ABC.add(logger, 2, (), || [x, y, x]);
                sums_of(&mut sums, *object, labels(parent, [("a", x), ("b", y), ("c", x)]), 1);
                continue;
            }
            7 => {
                ABC.add(logger, 1, (), || [y, x, x]);
                vec![("a", y), ("b", x), ("c", x)]
            }
            8 => {
                logger.with("b", x).send_counter("c", 1);
                logger.with_all(&[("b", x), ("a", y)]).send_counter("c", 1);
                sums_of(&mut sums, *object, labels(parent, [("b", x)]), 1);
                vec![("b", x), ("a", y)]
            }
            _ => {
                let all = [("a", x), ("a", x)];
                logger.with_all(&all).send_counter("c", 1);
                all.to_vec()
            }
        };
        sums_of(&mut sums, *object, labels(parent, given), 1);
    }
    sums
}

fn sums_of(sums: &mut Sums, object: Option<&'static str>, labels: Labels, more: u64) {
    *sums.entry((object, labels)).or_default() += more;
}

#[test]
fn what_is_recorded_stands_under_its_own_labels() {
    install("a", sink(), NEVER).unwrap();
    let threads: Vec<_> =
        (1..5).map(|seed| thread::spawn(move || work(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed)))).collect();
    let mut expected = Sums::new();
    for sums in threads.into_iter().map(|thread| thread.join().unwrap()) {
        sums.into_iter().for_each(|(labels, sum)| *expected.entry(labels).or_default() += sum);
    }
    let snapshot = snapshot();
    let mut found = Sums::new();
    for total in snapshot.totals().iter().filter(|t| t.series.logger_name() == "labels" && t.recordings > 0) {
        let before =
            found.insert((total.series.object(), labels(&Labels::new(), total.series.labels())), total.recordings);
        assert_eq!(before, None, "two series of {:?}", total.series);
    }
    assert_eq!(found, expected);
    assert_eq!(refused().label_sets, 0);
    remove("a", SOON);
}

/// A text that is refused, and the short one that stands where it begins, in memory that can be written and in memory that cannot.
#[test]
fn what_is_too_long_is_refused_and_its_beginning_is_not() {
    static BYTES: [u8; 1 << 20] = [b'x'; 1 << 20];
    static SITE: LabelledSite<1> = LabelledSite::new("long", &["k"], Kind::Counter, 0.0);
    install("long", sink(), NEVER).unwrap();
    let logger = get_logger("long");
    let literal = std::str::from_utf8(&BYTES).unwrap();
    let written = literal.to_owned();
    let before = refused().long_names;
    for text in [literal, &written, &literal[..3], &written[..3], &literal[..0], literal, &literal[..3]] {
        SITE.add(&logger, 1, ((&LabelProbe(text)).__ferrometer_label_number(),), || [text]);
        logger.with("k", text).send_counter("long", 1);
    }
    let snapshot = snapshot();
    let of = |value| {
        let is_it = |t: &Total<'_>| t.series.metric_name() == "long" && t.series.labels().eq([("k", value)]);
        snapshot.totals().iter().filter(is_it).map(|t| t.recordings).collect::<Vec<_>>()
    };
    assert_eq!((of("xxx"), of("")), (vec![6], vec![2]));
    assert_eq!(refused().long_names - before, 6);
    remove("long", SOON);
}

#[test]
fn a_label_that_is_replaced_takes_no_further_place() {
    let keys: Vec<String> = (0..32).map(|n| format!("key{n:02}")).collect();
    let labels: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
    let full = get_logger("replaced").with_all(&labels);
    assert_eq!(full.name(), "replaced");
    let other = full.with("key07", "w");
    assert_eq!((other.name(), other == full), ("replaced", false));
    assert_eq!(other.with("key07", "v"), full);
    assert_ne!(full.with("key32", "v").name(), "replaced");
    // And no further bytes.
    let long = |c: &str| get_logger("replaced").with("k", &c.repeat(1500));
    assert_eq!(long("a").with("k", &"b".repeat(1500)), long("b"));
    assert_eq!(long("b").name(), "replaced");
    assert_ne!(long("a").with("l", &"b".repeat(1500)).name(), "replaced");
}
