//! Input that `#[derive(LabelValue)]` refuses.

use ferrometer::LabelValue;

#[derive(LabelValue)]
struct NotAnEnum;

#[derive(LabelValue)]
enum Nothing {}

#[derive(LabelValue)]
enum Fields {
    Fine,
    Number(u32),
}

#[derive(LabelValue)]
enum Twice {
    #[label("same")]
    First,
    Same,
}

#[derive(LabelValue)]
enum Texts {
    #[label("")]
    Empty,
}

#[derive(LabelValue)]
enum NoText {
    #[label(text)]
    Word,
}

#[derive(LabelValue)]
#[label("text")]
enum OnTheEnum {
    Only,
}

#[derive(LabelValue)]
enum Parameters<const N: usize> {
    Only,
}

fn main() {}
