use ferrometer::{Logger, counter, gauge, logger, measured, record, timer};

static METRICS: Logger = logger!();

fn kind(_: &std::io::Error) -> &'static str {
    "io"
}

#[measured(on = "err")]
fn on() {}

#[measured(METRICS, outcome)]
fn flag() {}

#[measured("outcome" => "mine")]
fn label() {}

#[measured(eror = kind)]
fn slip() {}

#[counter(error = kind, "error" => "mine")]
fn twice() -> Result<(), std::io::Error> {
    Ok(())
}

#[timer(error)]
fn no_function() {}

#[gauge(error = kind)]
fn level() -> u32 {
    1
}

#[counter(error = kind)]
fn no_result() -> u32 {
    1
}

#[measured(error = |_: &std::io::Error| 1.5)]
fn no_label() -> Result<(), std::io::Error> {
    Ok(())
}

#[measured]
const fn constant() {}

#[measured(error = kind)]
fn returns_nothing() {}

fn main() {
    record!(METRICS, "no.value");
    record!(METRICS, "x", "text");
    record!(METRICS, "x", 1, rate = 0.5);
    let name = "x";
    record!(METRICS, name, 1);
    record!(METRICS, "x", 1, "key" => %std::thread::current());
}
