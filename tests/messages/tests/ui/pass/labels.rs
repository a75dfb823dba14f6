//! Labels of many types, in a program with a trait for every type whose method could be one of ours, and in futures that are sent.

use std::borrow::Cow;
use std::rc::Rc;

use ferrometer::{LabelValue, Logger, count, logger, set_gauge, time};

static METRICS: Logger = logger!();

trait Numbered {
    fn number(&self) -> u32 {
        7
    }
}
impl<T: ?Sized> Numbered for T {}

/// In a module whose types are called like those of the language.
mod own_names {
    #[allow(non_camel_case_types, dead_code)]
    pub struct str;
    #[allow(non_camel_case_types, dead_code)]
    pub struct usize;

    #[derive(ferrometer::LabelValue)]
    pub enum Colour {
        Red,
    }
}

#[derive(Clone, Copy, LabelValue)]
enum Method {
    Get,
    #[deprecated]
    Put,
}

fn of_any_text<T: AsRef<str> + ?Sized>(value: &T) {
    count!(METRICS, "any", "k" => value);
}

fn of_numbers<T: LabelValue + ?Sized>(value: &T) {
    count!(METRICS, "numbers", "k" => value, "method" => Method::Get);
}

struct Holder {
    logger: Logger,
    name: String,
    n: u32,
}

impl Holder {
    fn next(&mut self) -> u32 {
        self.n += 1;
        self.n
    }

    fn record(&mut self) {
        count!(self.logger, "n", self.next(), "k" => self.name);
        time!(self.logger, "t", "k" => self.name, "method" => Method::Get, self.n += 1);
    }
}

async fn text() -> String {
    String::from("x")
}

async fn sent() -> Option<u8> {
    count!(METRICS, "a", text().await.len(), "k" => text().await, "method" => Method::Get);
    // The parts of a label are gone when the block waits.
    let n = time!(METRICS, "b", "k" => Rc::<str>::from("x"), { text().await.len() });
    set_gauge!(METRICS, "c", if n > 0 { 1.0 } else { return None }, "k" => Some("z")?);
    None
}

fn send<T: Send>(_: T) {}

fn main() {
    count!(METRICS, "own_names", "colour" => own_names::Colour::Red);
    assert_eq!(1.number(), 7);
    of_any_text("x");
    of_any_text(&Method::Get);
    of_numbers(&Method::Get);
    of_numbers(&&Method::Get);
    Holder { logger: METRICS.clone(), name: String::new(), n: 0 }.record();
    send(sent());
    let record = |status: &str| count!(METRICS, "d", "k" => status);
    record("ok");
    for i in 0..3 {
        count!(METRICS, "e", if i > 1 { break } else { 1 }, "k" => if i == 0 { continue } else { "a" });
    }
    count!(METRICS, "f", "k" => Cow::from("x"), "l" => Box::<str>::from("y"), "m" => &mut String::new());
}
