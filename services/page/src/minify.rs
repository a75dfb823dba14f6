//! Files of the page as they are sent: without the remarks and the indentation that anyone who works on them needs. Nothing else is changed, so
//! that what a browser's tools show can still be read.

/// Leaves out what stands at the beginning of lines, and lines that are remarks from their beginning to their end. For our own files, in
/// which no text goes over several lines.
pub(crate) fn minify(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut remark = false;
    for line in text.lines().map(str::trim) {
        let begins = line.starts_with("/*");
        let inside = remark || begins;
        let ends = line.ends_with("*/");
        remark = inside && !ends;
        if line.is_empty() || inside || line.starts_with("//") {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_and_indentation_go_and_nothing_else() {
        let text = "// a\n\n/** b */\nlet c = 1; // d\n  /**\n   * e\n   */\n  f(\"// g\");\n/* h */\n  i";
        assert_eq!(minify(text), "let c = 1; // d\nf(\"// g\");\ni\n");
    }
}
