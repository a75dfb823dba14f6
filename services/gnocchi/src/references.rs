//! Ids in paths and bodies: which resource they name, and the refusal of those that name nothing.

use crate::reply::Refusal;
use crate::schema::{Checked, Invalid};
use ferrometer_archive::Error;
use uuid::Uuid;

/// Returns the id of a resource: a UUID, or one made of the text and who made it.
pub(crate) fn resource_id(text: &str, creator: &str) -> Checked<Uuid> {
    ferrometer_archive::resource_id(text, creator).map_err(|error| Invalid::new(error.to_string()))
}

/// Refuses a body that names something that does not exist.
pub(crate) fn bad_reference(error: Error) -> Refusal {
    match error {
        Error::NoSuchMetric(_) | Error::NoSuchPolicy(_) => Refusal::bad(error.to_string()),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_text_are_those_of_gnocchi() {
        assert_eq!(resource_id("my-thing", "admin").unwrap().to_string(), "9246c467-7e62-5186-8673-3193e9bf43d7");
        assert_eq!(resource_id("1.2.3.4", "foobar").unwrap().to_string(), "a9c729cc-d1b0-5e6b-b5ba-8b5a7f45f1fc");
        assert!(resource_id("a/b", "x").is_err() && resource_id(&"x".repeat(290), "x").is_err());
    }
}
