//! Labels whose types have a few values, known when the program is compiled: a table has the series of each combination, by number.

use crate::registry::series::{LoggerEntry, SENTINEL_SERIES, Series};
use crate::sync::reentrancy;
use std::hint::assert_unchecked;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

/// A label's value out of a few that are known when the program is compiled: an enum. `#[derive(LabelValue)]` writes it.
///
/// Every label of [`count!`](https://docs.rs/ferrometer/latest/ferrometer/macro.count.html), `set_gauge!` and `time!` takes such a value, like any other that
/// is `AsRef<str>`. Where all labels of a call are of such types or literals in the call, and there are at most 4 of them with at most 4,096 combinations, the
/// call site finds its series by their numbers, without reading a text.
///
/// ```
/// # use ferrometer_core as ferrometer;
/// use ferrometer::LabelValue;
///
/// enum Method {
///     Get,
///     Put,
/// }
/// impl LabelValue for Method {
///     const VALUES: &'static [&'static str] = &["GET", "PUT"];
///     fn index(&self) -> usize {
///         match self {
///             Method::Get => 0,
///             Method::Put => 1,
///         }
///     }
/// }
/// impl AsRef<str> for Method {
///     fn as_ref(&self) -> &str {
///         Self::VALUES[self.index()]
///     }
/// }
/// assert_eq!(Method::Put.as_ref(), "PUT");
/// ```
///
/// The compiler has to know a label's type at the call: a closure says it, `|status: &str| count!(…)`.
///
/// A call site's table takes 8 bytes for each combination and 16 more, 33 KiB at most, from its first recording on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `LabelValue`",
    note = "`#[derive(LabelValue)]` makes an enum one; a label of any other type is taken by its text",
    note = "a label's type has to be known where the call stands; a closure says it: `|status: &str| count!(…)`"
)]
pub trait LabelValue: AsRef<str> {
    /// The texts, one for each value.
    const VALUES: &'static [&'static str];

    /// Which of [`VALUES`](Self::VALUES) this one is, from 0. For an index that is not there the text of `as_ref` is taken.
    fn index(&self) -> usize;
}

impl<T: LabelValue + ?Sized> LabelValue for &T {
    const VALUES: &'static [&'static str] = T::VALUES;

    #[inline(always)]
    fn index(&self) -> usize {
        T::index(self)
    }
}

/// The most combinations that one call site has a table for.
const MAX_COMBINATIONS: usize = 4096;

/// One label's number, if its type has them.
pub trait Number {
    /// The texts; none where the type is any text.
    const VALUES: &'static [&'static str];
    /// The number.
    fn number(&self) -> usize;
    /// The text of the number, where that is what counts.
    fn text(&self) -> Option<&'static str> {
        Self::VALUES.get(self.number()).copied()
    }
}

/// A literal in the call: the one value that there is, whatever its text.
pub struct Literal;

impl Number for Literal {
    const VALUES: &'static [&'static str] = &[""];

    #[inline(always)]
    fn number(&self) -> usize {
        0
    }
    fn text(&self) -> Option<&'static str> {
        None
    }
}

/// The number of a value among those of its type.
pub struct Fixed<T: ?Sized>(usize, PhantomData<T>);

impl<T: LabelValue + ?Sized> Fixed<T> {
    pub(crate) fn of(value: &T) -> Fixed<T> {
        Fixed(value.index(), PhantomData)
    }
}

impl<T: LabelValue + ?Sized> Number for Fixed<T> {
    const VALUES: &'static [&'static str] = T::VALUES;

    #[inline(always)]
    fn number(&self) -> usize {
        self.0
    }
}

/// Any text.
pub struct AnyText;

impl Number for AnyText {
    const VALUES: &'static [&'static str] = &[];

    #[inline(always)]
    fn number(&self) -> usize {
        0
    }
}

/// Tells a label's number by its type: `(&LabelProbe(&value)).__ferrometer_label_number()`. A [`LabelValue`] is found first, everything else is any text,
/// because one more reference is needed to reach it.
pub struct LabelProbe<'a, T: ?Sized>(pub &'a T);

/// The number of a [`LabelValue`].
pub trait FixedNumber {
    /// The type of the value.
    type Of: ?Sized + LabelValue;
    /// The number. Its name is one that no trait of a program has, not even one that is implemented for every type.
    fn __ferrometer_label_number(&self) -> Fixed<Self::Of>;
}

impl<T: LabelValue + ?Sized> FixedNumber for LabelProbe<'_, T> {
    type Of = T;

    #[inline(always)]
    fn __ferrometer_label_number(&self) -> Fixed<T> {
        Fixed(self.0.index(), PhantomData)
    }
}

/// The number of anything else.
pub trait NoNumber {
    /// None.
    #[inline(always)]
    fn __ferrometer_label_number(&self) -> AnyText {
        AnyText
    }
}

impl<T: ?Sized> NoNumber for &LabelProbe<'_, T> {}

/// The texts of each label, by number.
pub struct Sets {
    // Never read. Where the compiler makes one constant of several that are equal, it makes sure that they have the same texts.
    _texts: &'static [&'static [&'static str]],
    combinations: usize,
}

impl Sets {
    pub(super) fn of<N: Numbers>(_: &N) -> &'static Sets {
        N::SETS
    }

    const fn new(texts: &'static [&'static [&'static str]]) -> Sets {
        let (mut all, mut at) = (1usize, 0);
        while at < texts.len() {
            all = all.saturating_mul(texts[at].len());
            at += 1;
        }
        Sets { _texts: texts, combinations: if all > MAX_COMBINATIONS { 0 } else { all } }
    }
}

/// The numbers of all labels of a call.
pub trait Numbers {
    /// The address of this tells these types from others.
    const SETS: &'static Sets;
    /// Number of combinations. 0 means that they are not numbered.
    const COMBINATIONS: usize = Self::SETS.combinations;
    /// Which one this is; at or above [`COMBINATIONS`](Self::COMBINATIONS): none.
    fn combination(&self) -> usize;
    /// Puts the text of each number in the place of what the value says of itself: one number has one text.
    fn write(&self, texts: &mut [&str]);
}

macro_rules! numbers {
    ($($label:ident $at:tt),*) => {
        impl<$($label: Number),*> Numbers for ($($label,)*) {
            const SETS: &'static Sets = &Sets::new(&[$($label::VALUES),*]);

            #[inline(always)]
            fn combination(&self) -> usize {
                let (mut all, mut there) = (0usize, true);
                $(
                    there &= self.$at.number() < $label::VALUES.len();
                    all = all.wrapping_mul($label::VALUES.len()).wrapping_add(self.$at.number());
                )*
                if there { all } else { usize::MAX }
            }

            fn write(&self, texts: &mut [&str]) {
                $(
                    if let (Some(to), Some(text)) = (texts.get_mut($at), self.$at.text()) {
                        *to = text;
                    }
                )*
            }
        }
    };
}
numbers!(A 0);
numbers!(A 0, B 1);
numbers!(A 0, B 1, C 2);
numbers!(A 0, B 1, C 2, D 3);

/// No labels' numbers: a call site that has more labels than are numbered.
impl Numbers for () {
    const SETS: &'static Sets = &Sets { _texts: &[], combinations: 0 };

    #[inline(always)]
    fn combination(&self) -> usize {
        usize::MAX
    }

    fn write(&self, _: &mut [&str]) {}
}

/// A word of a table. A table is of one logger and for one set of types (a call site in a generic function may have several): the
/// [logger](PARENT), where its [`Sets`] stand, and then the series of each combination, [`SENTINEL_SERIES`] where it is not known yet.
/// It is one piece of memory, so that the way to a series is one load from the call site's word and one from there.
type Word = AtomicPtr<()>;
const PARENT: usize = 0;
const SETS: usize = 1;
const SERIES: usize = 2;

/// The table of no logger and no types.
static SENTINEL_TABLE: [Word; SERIES] = [const { AtomicPtr::new(ptr::null_mut()) }; SERIES];

/// The memory of a call site: the table of the logger and the types that came first. Never null.
pub(super) struct FixedMemory(AtomicPtr<Word>);

impl FixedMemory {
    pub(super) const fn new() -> FixedMemory {
        FixedMemory(AtomicPtr::new(SENTINEL_TABLE.as_ptr().cast_mut()))
    }

    #[inline(always)]
    fn table(&self) -> *const Word {
        self.0.load(Acquire)
    }

    #[inline(always)]
    fn is_of(table: *const Word, parent: *const LoggerEntry, sets: &'static Sets) -> bool {
        // SAFETY: `SENTINEL_TABLE` and the tables that `put` publishes, for ever, have these two words, which nobody writes any more: so they
        // need not be read as atomics are.
        let words = unsafe { &*table.cast::<[*const (); SERIES]>() };
        ptr::eq(words[PARENT].cast(), parent) && ptr::eq(words[SETS].cast(), sets)
    }

    /// The series of a combination, or [`SENTINEL_SERIES`] if the table is the right one and it is not known yet.
    #[inline(always)]
    pub(super) fn get<N: Numbers>(&self, parent: *const LoggerEntry, numbers: &N) -> Option<&'static Series> {
        let (table, combination) = (self.table(), numbers.combination());
        if !FixedMemory::is_of(table, parent, N::SETS) || combination >= N::COMBINATIONS {
            return None;
        }
        // SAFETY: the table is not `SENTINEL_TABLE`, which is of no types; so it was published in `put`, and has a word for each combination
        // of the `Sets` at this address, which are `N`'s: `combination` is one of them.
        let word = unsafe { &*table.add(SERIES + combination) };
        let series = word.load(Acquire).cast::<Series>();
        // SAFETY: it was made from a `&'static Series`, in `put`. That it is not null is said for the compiler.
        unsafe {
            assert_unchecked(!series.is_null());
            Some(&*series)
        }
    }

    /// Returns whether the table belongs to another logger or to other types.
    pub(super) fn is_of_others(&self, parent: *const LoggerEntry, sets: &'static Sets) -> bool {
        let table = self.table();
        !ptr::eq(table, SENTINEL_TABLE.as_ptr()) && !FixedMemory::is_of(table, parent, sets)
    }

    /// Remembers the series of a combination. `sets` as the caller of [`get`](Self::get) sees them: a constant may stand in several places.
    #[cold]
    pub(super) fn put(
        &self,
        parent: &'static LoggerEntry,
        sets: &'static Sets,
        combination: usize,
        series: &'static Series,
    ) {
        // The overflow series stands for many names, and the sentinel for none: they are looked up again.
        let Some(_busy) = reentrancy::try_enter().filter(|_| series.logger.is_programs()) else { return };
        let mut table = self.table();
        if ptr::eq(table, SENTINEL_TABLE.as_ptr()) {
            let word = |at| match at {
                PARENT => ptr::from_ref(parent).cast::<()>(),
                SETS => ptr::from_ref(sets).cast(),
                _ => ptr::from_ref(SENTINEL_SERIES).cast(),
            };
            let mut words: Vec<Word> = Vec::with_capacity(SERIES + sets.combinations);
            for at in 0..SERIES + sets.combinations {
                words.push(AtomicPtr::new(word(at).cast_mut()));
            }
            let made = Box::into_raw(words.into_boxed_slice());
            table = match self.0.compare_exchange(table.cast_mut(), made.cast(), AcqRel, Acquire) {
                Ok(_) => made.cast(),
                Err(first) => {
                    // SAFETY: it came from `Box::into_raw` just above, and nobody else has seen it.
                    drop(unsafe { Box::from_raw(made) });
                    first
                }
            };
        }
        if FixedMemory::is_of(table, parent, sets) && combination < sets.combinations {
            // SAFETY: as in `get`.
            let word = unsafe { &*table.add(SERIES + combination) };
            word.store(ptr::from_ref(series).cast_mut().cast(), Release);
        }
    }
}
