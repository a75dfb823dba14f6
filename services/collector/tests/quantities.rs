//! Quantities equal those that CloudKitty makes of the same samples, and with all digits those of exact arithmetic.

use ferrometer_collector::number::{Conversion, Mutate, NotANumber, Ratio, parse, text};
use proptest::prelude::*;

const MAP: [(&str, &str); 4] = [("0", "100"), ("1", "7.5"), ("4", "-2"), ("-1", "3")];

fn mutation(name: &str) -> Mutate {
    let map = || MAP.map(|(from, to)| (parse(from).unwrap(), parse(to).unwrap())).to_vec();
    match name {
        "NONE" => Mutate::None,
        "NUMBOOL" => Mutate::NumBool,
        "NOTNUMBOOL" => Mutate::NotNumBool,
        "FLOOR" => Mutate::Floor,
        "CEIL" => Mutate::Ceil,
        "MAP" => Mutate::Map(map()),
        other => panic!("{other}"),
    }
}

#[test]
fn quantities_are_those_of_cloudkitty() {
    let mut rows = 0;
    for row in include_str!("data/quantities.tsv").lines().filter(|l| !l.starts_with('#')) {
        let [sample, factor, offset, mutate, expected] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let conversion = Conversion {
            factor: Ratio::parse(factor).unwrap(),
            offset: Ratio::parse(offset).unwrap(),
            mutate: mutation(mutate),
        };
        let quantity = conversion.apply(&parse(sample).unwrap(), false);
        assert_eq!(quantity, parse(expected).unwrap(), "{row}: {}", text(&quantity));
        rows += 1;
    }
    assert!(rows > 300, "{rows}");
}

#[test]
fn a_tie_is_rounded_away_from_zero_at_nine_digits() {
    let same = Conversion { factor: Ratio::whole(1), offset: Ratio::whole(0), mutate: Mutate::None };
    for (sample, nine) in [
        ("123456788.5", "123456789"),
        ("-123456788.5", "-123456789"),
        ("0.1234567885", "0.123456789"),
        ("9999999995", "10000000000"),
        ("9999999994", "9999999990"),
    ] {
        assert_eq!(text(&same.apply(&parse(sample).unwrap(), false)), nine);
        assert_eq!(text(&same.apply(&parse(sample).unwrap(), true)), sample);
    }
}

#[test]
fn texts_that_are_no_numbers() {
    for (sample, error) in [
        ("NaN", NotANumber::NaN),
        ("+Inf", NotANumber::Infinite),
        ("-Inf", NotANumber::Infinite),
        ("", NotANumber::Malformed),
        ("1e", NotANumber::Malformed),
        ("1e999999999999", NotANumber::Malformed),
        ("1e99999", NotANumber::Malformed),
        ("0x10", NotANumber::Malformed),
        ("1_000", NotANumber::Malformed),
        ("1 ", NotANumber::Malformed),
        ("--1", NotANumber::Malformed),
        ("1.2.3", NotANumber::Malformed),
        ("٣", NotANumber::Malformed),
    ] {
        assert_eq!(parse(sample), Err(error), "{sample:?}");
    }
    assert_eq!(parse(&"9".repeat(5000)), Err(NotANumber::Malformed));
    for wrong in ["", "1/0", "a", "1/2/3", "nan", "inf", "1e400/1", "/"] {
        assert_eq!(Ratio::parse(wrong), None, "{wrong:?}");
    }
}

proptest! {
    /// Every float that Prometheus can send comes back with all of its digits.
    #[test]
    fn floats_keep_every_digit(bits: u64) {
        let float = f64::from_bits(bits);
        prop_assume!(float.is_finite());
        let number = parse(&format!("{float:e}")).unwrap();
        prop_assert_eq!(text(&number).parse::<f64>().unwrap(), if float == 0.0 { 0.0 } else { float });
    }

    /// No text makes the parser panic or hand out what is no number.
    #[test]
    fn any_text_is_taken_or_refused(sample in "[-+0-9.eEnifNIF ]{0,24}") {
        if let Ok(number) = parse(&sample) {
            prop_assert!(text(&number).parse::<f64>().is_ok());
        }
    }

    /// With all digits a conversion is the fraction it says: multiplied back, nothing is missing.
    #[test]
    fn all_digits_are_exact(sample in -1_000_000_000_000i64..1_000_000_000_000, shift in 0u32..60) {
        let factor = Ratio::parse(&format!("1/{}", 1u64 << shift)).unwrap();
        let conversion = Conversion { factor, offset: Ratio::whole(0), mutate: Mutate::None };
        let quantity = conversion.apply(&sample.into(), true);
        prop_assert_eq!(quantity * (1u64 << shift), bigdecimal::BigDecimal::from(sample));
    }
}
