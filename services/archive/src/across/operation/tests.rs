//! Trees over a small grid.

use super::*;

fn key(name: &str) -> (String, String) {
    (name.into(), "mean".into())
}

fn run(tree: &Operation) -> Result<Outcome, Error> {
    let grid =
        Grid { times: vec![0, SECOND, 2 * SECOND], columns: vec![vec![1.0, 2.0, 4.0], vec![10.0, f64::NAN, 30.0]] };
    evaluate(tree, &grid, &[key("a"), key("b")], SECOND)
}

fn metric(names: &[&str]) -> Box<Operation> {
    Box::new(Operation::Metric(names.iter().map(|name| key(name)).collect()))
}

fn columns(tree: &Operation) -> Vec<Vec<f64>> {
    match run(tree).unwrap().values {
        Values::Columns(columns) => columns,
        Values::Number(number) => vec![vec![number]],
    }
}

#[test]
fn columns_are_aggregated_without_what_is_missing() {
    let aggregate = |with| columns(&Operation::Aggregate(with, false, metric(&["a", "b"])));
    assert_eq!(aggregate(Aggregator::Sum), [[11.0, 2.0, 34.0]]);
    assert_eq!(aggregate(Aggregator::Mean), [[5.5, 2.0, 17.0]]);
    assert_eq!(aggregate(Aggregator::Count), [[2.0, 1.0, 2.0]]);
    assert_eq!(aggregate(Aggregator::Std), [[4.5, 0.0, 13.0]]);
    let rate = run(&Operation::Aggregate(Aggregator::Max, true, metric(&["a"]))).unwrap();
    assert_eq!((rate.times.len(), rate.values), (2, Values::Columns(vec![vec![1.0, 2.0]])));
}

#[test]
fn numbers_and_columns_go_together_and_columns_only_of_one_length() {
    let number = |number| Box::new(Operation::Number(number));
    assert_eq!(columns(&Operation::Binary(Binary::Mul, metric(&["a"]), number(2.0))), [[2.0, 4.0, 8.0]]);
    assert_eq!(columns(&Operation::Binary(Binary::Mod, number(-7.0), metric(&["a"]))), [[0.0, 1.0, 1.0]]);
    assert_eq!(columns(&Operation::Clip(metric(&["a"]), number(2.0), Some(number(3.0)))), [[2.0, 2.0, 3.0]]);
    assert_eq!(columns(&Operation::Rolling(Aggregator::Sum, false, 2, metric(&["a"]))), [[3.0, 6.0]]);
    assert_eq!(columns(&Operation::Change(true, metric(&["a"]))), [[1.0, 2.0]]);
    assert_eq!(columns(&Operation::Resample(Aggregator::Sum, 2 * SECOND, metric(&["a"]))), [[3.0, 4.0]]);
    let shorter = Box::new(Operation::Change(false, metric(&["a"])));
    assert!(run(&Operation::Binary(Binary::Add, metric(&["a"]), shorter)).is_err());
    assert!(run(&Operation::Rolling(Aggregator::Sum, false, 4, metric(&["a"]))).is_err());
    assert!(run(&Operation::Binary(Binary::Add, metric(&["none"]), metric(&["a"]))).is_err());
}
