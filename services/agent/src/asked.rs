//! A question, as it arrives: the query of `/v1/lookup`, or the body that older agents post.

use crate::node::{MOST_ADDRESSES, is_address, normal};
use ferrometer_core::name;
use ferrometer_http::{decode, shorten};
use serde_json::Value;

/// The node that an agent asks for. It has a UUID, or at least one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    uuid: Option<String>,
    addresses: Vec<String>,
    driver: Option<String>,
}

impl Asked {
    /// Returns the node's UUID, in lower case. It goes before addresses.
    #[must_use]
    pub fn uuid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }

    /// Returns MAC addresses of its ports, in lower case, with colons.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Returns the driver in the path, where there is one.
    #[must_use]
    pub fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }

    /// Reads the query `addresses=…&node_uuid=…` and, where there is one, the body. Other parameters are passed over, as Ironic does.
    ///
    /// The error says what is wrong.
    pub(crate) fn read(driver: Option<String>, query: &str, body: &[u8]) -> Result<Asked, String> {
        let mut asked = Asked { driver, ..Asked::default() };
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(key).as_str(), decode(value)) {
                ("node_uuid", value) if !value.is_empty() => asked.take_uuid(&value)?,
                ("addresses", value) => value.split(',').try_for_each(|address| asked.take_address(address))?,
                _ => {}
            }
        }
        if !body.is_empty() {
            asked.take_body(body)?;
        }
        if asked.uuid.is_none() && asked.addresses.is_empty() {
            return Err("a node is looked up by node_uuid or addresses, and neither is given".to_owned());
        }
        Ok(asked)
    }

    fn take_body(&mut self, body: &[u8]) -> Result<(), String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("the body is no JSON: {error}"))?;
        match body.get("node_uuid") {
            None | Some(Value::Null) => {}
            Some(Value::String(uuid)) => self.take_uuid(uuid)?,
            Some(_) => return Err("node_uuid in the body is no string".to_owned()),
        }
        let interfaces = body.pointer("/inventory/interfaces").and_then(Value::as_array);
        for interface in interfaces.into_iter().flatten() {
            // Ports without an address there are, and they find nothing.
            if let Some(address) = interface.get("mac_address").and_then(Value::as_str) {
                self.take_address(address)?;
            }
        }
        Ok(())
    }

    fn take_uuid(&mut self, text: &str) -> Result<(), String> {
        let read = name::uuid(text).map_err(|wrong| format!("node_uuid is {:?}: {wrong}", shorten(text)))?;
        if self.uuid.get_or_insert_with(|| read.clone()) != &read {
            return Err("two different node_uuid are given".to_owned());
        }
        Ok(())
    }

    fn take_address(&mut self, text: &str) -> Result<(), String> {
        let text = text.trim();
        // Those that are none find nothing, as in Ironic.
        if !is_address(text) {
            return Ok(());
        }
        if self.addresses.len() == MOST_ADDRESSES {
            return Err(format!("there are more than {MOST_ADDRESSES} addresses"));
        }
        self.addresses.push(normal(text));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";

    #[test]
    fn questions_of_both_forms_are_read() {
        let by_uuid = Asked { uuid: Some(UUID.to_owned()), ..Asked::default() };
        assert_eq!(Asked::read(None, &format!("node_uuid={}", UUID.to_uppercase()), b""), Ok(by_uuid.clone()));
        let body = format!(r#"{{"version":"2","inventory":{{"interfaces":[]}},"node_uuid":"{UUID}"}}"#);
        assert_eq!(Asked::read(None, "", body.as_bytes()), Ok(by_uuid.clone()));
        assert_eq!(Asked::read(None, &format!("node_uuid={UUID}&x=1&&"), body.as_bytes()), Ok(by_uuid));
        let asked =
            Asked::read(Some("agent_ipmitool".into()), "addresses=52%3A54:00:AB:cd:01,x,,52-54-00-ab-cd-02", b"");
        let asked = asked.unwrap();
        assert_eq!(asked.addresses(), ["52:54:00:ab:cd:01", "52:54:00:ab:cd:02"]);
        assert_eq!((asked.uuid(), asked.driver()), (None, Some("agent_ipmitool")));
        let body = br#"{"inventory":{"interfaces":[{"mac_address":"52:54:00:ab:cd:01"},{"name":"lo"},7,null]}}"#;
        assert_eq!(Asked::read(None, "", body).unwrap().addresses(), ["52:54:00:ab:cd:01"]);
    }

    #[test]
    fn what_asks_for_no_node_is_told() {
        let many = format!("addresses={}", vec!["52:54:00:ab:cd:01"; 65].join(","));
        let other = UUID.replace('1', "2");
        for (query, body, expected) in [
            ("", "", "a node is looked up by node_uuid or addresses, and neither is given"),
            ("addresses=eth0", "{}", "a node is looked up by"),
            ("node_uuid=%00'drop", "", "node_uuid is \"\\0'drop\": expected a UUID of the form"),
            (&many, "", "there are more than 64 addresses"),
            ("", "<html>", "the body is no JSON"),
            ("", r#"{"node_uuid":7}"#, "node_uuid in the body is no string"),
            (&format!("node_uuid={UUID}&node_uuid={other}"), "", "two different node_uuid are given"),
        ] {
            let said = Asked::read(None, query, body.as_bytes()).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
        assert!(Asked::read(None, &format!("node_uuid={}", "x".repeat(9000)), b"").unwrap_err().len() < 300);
        assert!(Asked::read(None, "", "[".repeat(60_000).as_bytes()).is_err());
    }
}
