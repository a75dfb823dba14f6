//! `#[measured]`: one attribute that stands for three, which count calls, time them, and count those that are in flight.

use proc_macro2::TokenStream;
use syn::Result;
use syn::parse::{ParseStream, Parser};

use super::{Args, Fields, Kind};

impl Args {
    /// Parses an attribute into the attributes that it stands for.
    pub fn all(kind: Kind, tokens: TokenStream) -> Result<Vec<Args>> {
        if kind != Kind::Measured {
            return Ok(vec![Args::parse(kind, tokens)?]);
        }
        // The first guard is dropped last: a call is in flight until it is recorded.
        let parts = [Kind::InFlight, Kind::Counter, Kind::Timer].into_iter();
        parts.map(|part| Args::part(part, tokens.clone())).collect()
    }

    fn part(part: Kind, tokens: TokenStream) -> Result<Args> {
        let mut fields = (|input: ParseStream<'_>| Fields::parse(Kind::Measured, input)).parse2(tokens)?;
        if let Some(key) = fields.labels.key("outcome") {
            let message = "the label key \"outcome\" is that of #[measured] itself; give this one another";
            return Err(syn::Error::new(key.span(), message));
        }
        if part != Kind::Timer {
            fields.sample_rate = None;
        }
        if part == Kind::InFlight {
            fields.error = None;
        }
        let mut args = fields.finish(part)?;
        args.outcome = part != Kind::InFlight;
        if let Some((name, _)) = &mut args.name {
            name.push_str(part.suffix());
        }
        Ok(args)
    }
}
