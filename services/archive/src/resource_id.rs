//! Ids of resources that are told as texts.

use crate::Error;
use uuid::Uuid;

/// The namespace, Gnocchi's own, within which ids that are no UUID become one.
pub const RESOURCE_NAMESPACE: Uuid = Uuid::from_u128(0x0a7a_15ff_aa13_4ac2_897c_9bdf_30ce_175b);

/// Returns the id of a resource: the text itself where it is a UUID, else one made of the text and who made it.
///
/// ```
/// let id = ferrometer_archive::resource_id("my-thing", "admin")?;
/// assert_eq!(id.to_string(), "9246c467-7e62-5186-8673-3193e9bf43d7");
/// # Ok::<(), ferrometer_archive::Error>(())
/// ```
///
/// # Errors
/// [`Error::Invalid`] for a text with `/` or of more than 289 characters.
pub fn resource_id(text: &str, creator: &str) -> Result<Uuid, Error> {
    if text.contains('/') {
        return Err(Error::Invalid("'/' is not supported in resource id".into()));
    }
    if let Ok(id) = Uuid::parse_str(text) {
        return Ok(id);
    }
    if text.chars().count() > 289 {
        return Err(Error::Invalid("transformable resource id >289 max allowed characters".into()));
    }
    Ok(Uuid::new_v5(&RESOURCE_NAMESPACE, format!("{text}\0{creator}").as_bytes()))
}
