//! An attribute that is merged into the one above it still counts as a use of its import.
#![deny(warnings)]

mod outer {
    use ferrometer::{counter, gauge, timer};

    #[timer]
    #[counter(outcome)]
    #[gauge]
    pub fn all() -> u32 {
        1
    }
}

mod renamed {
    use ferrometer as metrics;
    use ferrometer::timer;

    #[timer]
    #[metrics::counter(crate = metrics)]
    pub fn through_a_path() {}
}

mod shadowed {
    use ferrometer::{counter, timer};

    #[timer]
    #[counter]
    pub fn timer_and_counter(counter: u32) -> u32 {
        let timer = counter;
        timer
    }
}

mod methods {
    use ferrometer::{counter, timer};

    pub trait Trait {
        #[timer]
        #[counter]
        fn default(&self) -> u32 {
            2
        }
    }

    impl Trait for () {}
}

fn main() {
    use methods::Trait;

    assert_eq!(outer::all(), 1);
    renamed::through_a_path();
    assert_eq!(shadowed::timer_and_counter(3), 3);
    assert_eq!(().default(), 2);
}
