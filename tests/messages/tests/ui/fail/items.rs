//! Items that an attribute can stand on.
use ferrometer::{counter, gauge, timer};

#[timer]
struct Struct;

#[counter]
pub(crate) enum Enum {}

#[timer]
impl Struct {
    fn method(&self) {}
}

#[timer]
trait Trait {
    #[timer]
    fn no_body(&self);
}

#[counter]
const CONSTANT: u32 = 1;

#[timer]
mod module {}

#[timer]
const fn constant() -> u32 {
    1
}

#[gauge]
fn no_value() {}

#[gauge]
async fn no_value_async() -> () {}

#[counter(on = "err")]
fn no_error() {}

#[timer(on = "err")]
async fn no_error_async() -> () {}

#[gauge]
fn never() -> ! {
    panic!()
}

fn main() {
    let _ = (Struct, CONSTANT, constant());
    Struct.method();
    no_value();
}
