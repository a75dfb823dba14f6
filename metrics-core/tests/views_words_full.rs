//! A configuration that changes for ever, each time with other words: they are bounded, and what is left out is counted and told.

use ferrometer_core::*;
use ferrometer_testkit::alone;

#[test]
fn words_of_views_are_bounded_over_the_life_of_a_program() {
    let _alone = alone();
    let counter = get_logger("words.full").counter("c").unit("bytes");
    let unit = |unit: String| {
        let view = View::new("words.full.c").unit(unit);
        configure_with_views(Naming::default(), Limits::default(), vec![], vec![view]);
        counter.series().unit()
    };
    for number in 0..1024 {
        assert_eq!(unit(format!("u{number}")), Some(&*format!("u{number}")));
    }
    assert_eq!(refused().view_words, 0);
    assert_eq!(unit("one more".to_owned()), Some("bytes"));
    assert_eq!(refused().view_words, 1);
    // Those that are known are kept once.
    assert_eq!(unit("u7".to_owned()), Some("u7"));
    assert_eq!(refused().view_words, 1);
}
