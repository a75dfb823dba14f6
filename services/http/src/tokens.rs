//! Who may read: tokens, each with a name and perhaps a list of privileges, kept as SHA-256 hashes.
//!
//! A token is a long random text, so one round of a fast hash keeps it secret: there is nothing to guess. What a client
//! sends is hashed and compared with every token in constant time. Neither tokens nor hashes are ever logged or shown.

use crate::access::{Credentials, Privilege, Rights};
use crate::error::ServeError;
use crate::reloaded_file::{ReloadedFile, Unusable};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Each costs a comparison with every request.
const MAX_TOKENS: usize = 1024;
const MAX_NAME_BYTES: usize = 64;
/// A shorter token in a file could be guessed.
const MIN_PLAIN_BYTES: usize = 16;

type Hash = [u8; 32];

/// One token.
#[derive(Clone)]
struct Token {
    name: String,
    hash: Hash,
    rights: Rights,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&self.name).finish()
    }
}

/// Why a request without a right token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// There is none, or something else than a token.
    Missing,
    /// There is one that is not known.
    Unknown,
}

/// All tokens: those given, and those of a file.
#[derive(Debug)]
pub(crate) struct Tokens {
    given: Vec<Token>,
    file: Option<ReloadedFile<Vec<Token>>>,
}

impl Tokens {
    /// `None` when none are configured. `known`: the privileges that there are.
    pub(crate) fn new(
        given: &[String],
        file: Option<PathBuf>,
        every: Duration,
        known: &[Privilege],
    ) -> Result<Option<Tokens>, ServeError> {
        let wrong = |setting| move |why: String| ServeError::Setting { setting, why: format!(": {why}") };
        let mut given = given.iter().enumerate().map(|(at, text)| (at + 1, text.as_str()));
        let given = list(&mut given, "token", false, known);
        let given = given.map_err(wrong("tokens"))?;
        let file = file
            .map(|path| {
                let (shown, known) = (path.display().to_string(), known.to_vec());
                // Tokens that are taken away let nobody in, however they were taken away.
                ReloadedFile::new("tokens", vec![path], every, Some(Vec::new), move |contents| {
                    let bytes = contents.first().map_or(&[][..], Vec::as_slice);
                    parse_file(bytes, &known).map_err(|unusable| match unusable {
                        Unusable::Gone(why) => Unusable::Gone(format!("{shown}: {why}")),
                        Unusable::Wrong(why) => Unusable::Wrong(format!("{shown}: {why}")),
                    })
                })
            })
            .transpose()
            .map_err(wrong("tokens_file"))?;
        Ok((!given.is_empty() || file.is_some()).then_some(Tokens { given, file }))
    }

    /// The rights of the token that a request brings, and its name.
    pub(crate) async fn check(&self, given: &Credentials) -> Result<(Rights, String), Denied> {
        let file = match &self.file {
            Some(file) => file.fresh().await,
            None => Arc::default(),
        };
        self.find(&file, given).map(|token| (token.rights, token.name))
    }

    fn find(&self, file: &[Token], given: &Credentials) -> Result<Token, Denied> {
        let hash: Hash = Sha256::digest(&given.secret).into();
        let all = self.given.iter().chain(file.iter());
        // Every token is looked at, whichever fits.
        let mut found = 0_u32;
        for (at, token) in (1_u32..).zip(all.clone()) {
            let same: Choice = token.hash.ct_eq(&hash);
            found = u32::conditional_select(&found, &at, same);
        }
        let at = found.checked_sub(1).ok_or(Denied::Unknown)?;
        let id = given.id.as_deref();
        let token = all.clone().nth(at as usize).filter(|token| id.is_none_or(|id| is_id_of(id, &token.name)));
        token.cloned().ok_or(Denied::Unknown)
    }
}

/// Returns whether a token of this name goes by the id `<user>@<realm>!<id>`: it is called so, or `<id>` alone.
fn is_id_of(id: &[u8], name: &str) -> bool {
    let at = id.iter().position(|b| *b == b'!');
    id == name.as_bytes() || at.is_some_and(|at| &id[at + 1..] == name.as_bytes())
}

/// Lines of `name=sha256:<hash>` or `name=plain:<token>`, with `;privilege@path` behind it any number of times; empty lines and those that begin with `#` say nothing.
fn parse_file(bytes: &[u8], known: &[Privilege]) -> Result<Vec<Token>, Unusable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unusable::Wrong("is not UTF-8".to_owned()))?;
    let lines = text.lines().map(str::trim).enumerate().map(|(at, line)| (at + 1, line));
    let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let tokens = list(&mut lines, "line", true, known).map_err(Unusable::Wrong)?;
    if tokens.is_empty() { Err(Unusable::Gone("holds no token".into())) } else { Ok(tokens) }
}

fn list(
    texts: &mut dyn Iterator<Item = (usize, &str)>,
    what: &str,
    plain: bool,
    known: &[Privilege],
) -> Result<Vec<Token>, String> {
    let mut tokens: Vec<Token> = Vec::new();
    for (at, text) in texts {
        let token = parse(text, plain, known).map_err(|why| format!("{what} {at} {why}"))?;
        if tokens.iter().any(|other| other.name == token.name) {
            return Err(format!("{what} {at} has the name {:?}, which another has already", token.name));
        }
        if tokens.len() == MAX_TOKENS {
            return Err(format!("there are more than {MAX_TOKENS} tokens"));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

/// The messages show nothing of what is behind the name: it may be secret.
fn parse(text: &str, plain: bool, known: &[Privilege]) -> Result<Token, String> {
    let form = if plain { "name=sha256:<64 hex digits> or name=plain:<token>" } else { "name=sha256:<64 hex digits>" };
    let (name, secret) = text.split_once('=').ok_or_else(|| format!("is not of the form {form}"))?;
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"_-.@!".contains(&b);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(letter) {
        return Err(format!("has a name that is not 1 to {MAX_NAME_BYTES} of [A-Za-z0-9_.@!-]; expected {form}"));
    }
    let (secret, list) = secret.split_once(';').map_or((secret, None), |(secret, list)| (secret, Some(list)));
    let hash = if let Some(hex) = secret.strip_prefix("sha256:") {
        from_hex(hex).ok_or_else(|| format!("({name:?}) has a hash that is not 64 hex digits; expected {form}"))?
    } else if let (true, Some(token)) = (plain, secret.strip_prefix("plain:")) {
        if token.len() < MIN_PLAIN_BYTES || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!(
                "({name:?}) has a token that is not {MIN_PLAIN_BYTES} or more printable ASCII characters"
            ));
        }
        Sha256::digest(token).into()
    } else {
        // The text before the sign may be a secret too, one that ends in it.
        return Err(format!("is not of the form {form}"));
    };
    let rights = list
        .map_or(Ok(Rights::Reader), |list| Rights::parse(list, known))
        .map_err(|why| format!("({name:?}): {why}"))?;
    Ok(Token { name: name.to_owned(), hash, rights })
}

fn from_hex(hex: &str) -> Option<Hash> {
    let bytes = hex.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut hash = Hash::default();
    for (out, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        *out = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::bearer;
    use axum::http::{HeaderMap, HeaderValue, header};

    const AUDIT: Privilege = Privilege::new("Sys.Audit");

    /// Returns the hash of `correct-horse-battery`.
    fn hash() -> String {
        Sha256::digest("correct-horse-battery").iter().map(|b| format!("{b:02x}")).collect()
    }

    fn asked(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::AUTHORIZATION, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn a_known_token_is_told_by_name() {
        let given = [format!("first=sha256:{}", "0".repeat(64)), format!("second=sha256:{}", hash())];
        let tokens = Tokens::new(&given, None, Duration::ZERO, &[AUDIT]).unwrap().unwrap();
        for right in ["Bearer correct-horse-battery", "bearer  correct-horse-battery "] {
            assert_eq!(tokens.find(&[], &bearer(&asked(&[right])).unwrap()).unwrap().name, "second");
        }
        for lines in [
            &[][..],
            &["Bearer"][..],
            &["Basic correct-horse-battery"][..],
            &["Bearer correct-horse-battery", "Bearer correct-horse-battery"][..],
        ] {
            assert_eq!(bearer(&asked(lines)), None, "{lines:?}");
        }
        for wrong in ["Bearer ", "Bearer correct-horse-batter", "Bearer correct-horse-battery x"] {
            assert_eq!(tokens.find(&[], &bearer(&asked(&[wrong])).unwrap()).err(), Some(Denied::Unknown), "{wrong}");
        }
        let named = |id: &str| Credentials::new("correct-horse-battery").with_id(id);
        assert!(tokens.find(&[], &named("second")).is_ok() && tokens.find(&[], &named("a@pam!second")).is_ok());
        assert_eq!(tokens.find(&[], &named("a@pam!other")).err(), Some(Denied::Unknown));
        let listed = Tokens::new(&[format!("a@pve!b=sha256:{};Sys.Audit@/", hash())], None, Duration::ZERO, &[AUDIT]);
        let listed = listed.unwrap().unwrap();
        let right = listed.find(&[], &named("a@pve!b")).unwrap();
        assert_eq!((right.name.as_str(), right.rights), ("a@pve!b", Rights::parse("Sys.Audit@/", &[AUDIT]).unwrap()));
        assert!(listed.find(&[], &named("c@pve!b")).is_err());
        let shown = format!("{tokens:?}");
        assert!(shown.contains("second") && !shown.contains(&hash()[..8]), "{shown}");
        assert!(Tokens::new(&[], None, Duration::ZERO, &[AUDIT]).unwrap().is_none());
    }

    #[test]
    fn mistakes_are_told_without_the_secret() {
        for (text, expected) in [
            ("hunter2", "token 1 is not of the form name=sha256:<64 hex digits>"),
            ("hunter2==", "token 1 is not of the form name=sha256:<64 hex digits>"),
            ("a=plain:correct-horse-battery", "token 1 is not of the form name=sha256:<64 hex digits>"),
            (
                "a=sha256:hunter2",
                "token 1 (\"a\") has a hash that is not 64 hex digits; expected name=sha256:<64 hex digits>",
            ),
            (
                "a b=x",
                "token 1 has a name that is not 1 to 64 of [A-Za-z0-9_.@!-]; expected name=sha256:<64 hex digits>",
            ),
        ] {
            assert_eq!(
                Tokens::new(&[text.to_owned()], None, Duration::ZERO, &[AUDIT]).unwrap_err().to_string(),
                format!("tokens: {expected}")
            );
        }
        let twice = format!("a=sha256:{}", hash());
        let error = Tokens::new(&[twice.clone(), twice], None, Duration::ZERO, &[AUDIT]).unwrap_err().to_string();
        assert_eq!(error, "tokens: token 2 has the name \"a\", which another has already");
        for (file, expected) in [
            ("", "holds no token"),
            ("# nothing\n\n", "holds no token"),
            ("\na=plain:short\n", "line 2 (\"a\") has a token that is not 16 or more printable ASCII characters"),
        ] {
            assert_eq!(parse_file(file.as_bytes(), &[]).unwrap_err().into_message(), expected);
        }
        let good = parse_file(b"# c\r\na=plain:correct-horse-battery\r\n", &[]).unwrap();
        assert_eq!(good[0].hash, from_hex(&hash()).unwrap());
    }
}
