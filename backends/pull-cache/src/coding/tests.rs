//! Tests that coded values are read back, and that bytes that were never coded are refused or mean something, and never take long.

use super::*;
use crate::store::tests::identity;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn bytes_of_any_origin_are_read_or_refused(
        generations in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
        columns in 0usize..50,
    ) {
        let identities: Vec<_> = (0..columns).map(|n| identity(n, 0.5)).collect();
        let mut coder = Coder::default();
        for bytes in generations {
            if coder.decode(&identities, &bytes).is_err() {
                break;
            }
        }
    }

    #[test]
    fn bits_come_out_as_they_went_in(bits in prop::collection::vec((any::<bool>(), 1u32..=64, any::<u64>()), 0..400)) {
        let mut bins = [Bin::default(); 2];
        let mut out = Encoder::default();
        for (bit, count, value) in &bits {
            out.bit(&mut bins[0], *bit);
            out.bit(&mut bins[1], false);
            out.bits(*count, value >> (64 - count));
        }
        let bytes = out.finish();
        let mut bins = [Bin::default(); 2];
        let mut input = Decoder::new(&bytes);
        for (bit, count, value) in &bits {
            prop_assert_eq!(input.bit(&mut bins[0], false), *bit);
            prop_assert!(!input.bit(&mut bins[1], false));
            prop_assert_eq!(input.bits(*count, 0), value >> (64 - count));
        }
        prop_assert!(input.is_whole());
    }
}

use range::Bin;

#[test]
fn what_does_not_change_takes_next_to_nothing() {
    let identities: Vec<_> = (0..1000).map(|n| identity(n, 1.0)).collect();
    let mut row = Row::with_columns(1000);
    (0..1000).for_each(|n| row.set(n, n as f64 * 1.37));
    let mut coder = Coder::default();
    let lengths: Vec<usize> = (0..50).map(|_| coder.encode(&identities, &row).len()).collect();
    assert!(lengths[49] < 10, "{lengths:?}");
}

#[test]
fn no_value_takes_more_than_the_longest() {
    let identities: Vec<_> = (0..300).map(|n| identity(n, 1.0)).collect();
    let mut coder = Coder::default();
    let mut bits = 1u64;
    for round in 0..200 {
        let mut row = Row::with_columns(300);
        for column in 0..300 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = if bits >> 60 == 0 { round as f64 } else { f64::from_bits(bits & !(1 << 62)) };
            if bits >> 50 & 7 != 0 {
                row.set(column, value);
            }
        }
        let length = coder.encode(&identities, &row).len();
        assert!(length <= 300 * Coder::LONGEST_POINT + 8, "{length}");
    }
}
