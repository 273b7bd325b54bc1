//! Owns the expansion of `$NAME` and `${NAME}` in paths and in the values of user variables.
//!
//! What ostler knows is expanded here, so that a node gets literal values. A value that refers to something only the node
//! knows (`PATH=/opt/x:$PATH`) becomes an `export` that the node's shell evaluates before the command line; there an
//! unset name gives nothing, as in every shell (reference §6.3). Command lines themselves are never touched.

/// A piece of a text: itself, or a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Stands for itself.
    Text(&'a str),
    /// The name of a variable.
    Name(&'a str),
}

/// Cuts a text into literal parts and references. A `$` without a name behind it stands for itself.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut literal, mut at) = (0, 0);
    while let Some(dollar) = text[at..].find('$').map(|offset| at + offset) {
        let after = &text[dollar + 1..];
        let (name, end) = match after.strip_prefix('{') {
            Some(inner) => match (name_len(inner), inner.find('}')) {
                (len, Some(close)) if len > 0 && len == close => (&inner[..len], dollar + 2 + len + 1),
                _ => ("", dollar + 1),
            },
            None => (&after[..name_len(after)], dollar + 1 + name_len(after)),
        };
        at = end;
        if !name.is_empty() {
            if literal < dollar {
                found.push(Piece::Text(&text[literal..dollar]));
            }
            found.push(Piece::Name(name));
            literal = end;
        }
    }
    if literal < text.len() {
        found.push(Piece::Text(&text[literal..]));
    }
    found
}

/// Returns the length of the variable name that a text begins with; 0 when it begins with none.
fn name_len(text: &str) -> usize {
    if text.bytes().next().is_none_or(|b| b.is_ascii_digit()) {
        return 0;
    }
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
}

/// Returns a text as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The variables of one process, in the order in which they were set.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    literal: Vec<(String, String)>,
    deferred: Vec<(String, String)>,
}

impl Scope {
    /// Sets a variable to a literal value.
    pub(super) fn put(&mut self, name: &str, value: impl Into<String>) {
        self.literal.retain(|(known, _)| known != name);
        self.literal.push((name.to_owned(), value.into()));
    }

    /// Sets a variable to the value of a text that may refer to others. It is left to the node's shell when the text
    /// refers to something that only the node knows, or when the name was left to it before.
    pub(super) fn put_expanded(&mut self, name: &str, text: &str) {
        match self.expand(text) {
            Ok(value) if !self.is_deferred(name) => self.put(name, value),
            Ok(_) | Err(_) => self.deferred.push((name.to_owned(), self.shell_word(text))),
        }
    }

    /// Returns a text with all references replaced.
    ///
    /// # Errors
    /// The first name whose value is not known here.
    pub(super) fn expand<'a>(&self, text: &'a str) -> Result<String, &'a str> {
        let mut value = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Text(part) => value.push_str(part),
                Piece::Name(name) => value.push_str(self.get(name).ok_or(name)?),
            }
        }
        Ok(value)
    }

    /// Returns all literal values, in order.
    pub(super) fn literals(self) -> Vec<(String, String)> {
        self.literal
    }

    /// Returns the lines that a shell has to run before a command line, empty when there are none.
    pub(super) fn exports(&self) -> String {
        self.deferred.iter().map(|(name, word)| format!("export {name}={word}\n")).collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        if self.is_deferred(name) {
            return None;
        }
        self.literal.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn is_deferred(&self, name: &str) -> bool {
        self.deferred.iter().any(|(known, _)| known == name)
    }

    fn shell_word(&self, text: &str) -> String {
        let mut word = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(part) => word.push_str(&quoted(part)),
                Piece::Name(name) => match self.get(name) {
                    Some(value) => word.push_str(&quoted(value)),
                    None => word.push_str(&format!("\"${{{name}-}}\"")),
                },
            }
        }
        if word.is_empty() { "''".to_owned() } else { word }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_found() {
        use Piece::{Name, Text};
        let cases: [(&str, &[Piece<'_>]); 11] = [
            ("", &[]),
            ("plain", &[Text("plain")]),
            ("$A", &[Name("A")]),
            ("${A}b", &[Name("A"), Text("b")]),
            ("$A/x/$B_1", &[Name("A"), Text("/x/"), Name("B_1")]),
            ("a$", &[Text("a$")]),
            ("$$A", &[Text("$"), Name("A")]),
            ("$1 ${} ${A ${A-b}", &[Text("$1 ${} ${A ${A-b}")]),
            ("${9}", &[Text("${9}")]),
            ("é$Aé", &[Text("é"), Name("A"), Text("é")]),
            ("$(date)", &[Text("$(date)")]),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }

    #[test]
    fn values_see_those_before_them_and_the_node_adds_what_it_knows() {
        let mut scope = Scope::default();
        scope.put("ROOT", "/it's");
        scope.put_expanded("A", "$ROOT/a");
        scope.put_expanded("B", "${A}:$A");
        scope.put_expanded("PATH", "$A/bin:$PATH");
        scope.put_expanded("C", "x $PATH");
        scope.put_expanded("PATH", "/late");
        assert_eq!(
            scope.exports(),
            "export PATH='/it'\\''s/a''/bin:'\"${PATH-}\"\nexport C='x '\"${PATH-}\"\nexport PATH='/late'\n"
        );
        let literals: Vec<_> = scope.literals().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(literals, ["ROOT=/it's", "A=/it's/a", "B=/it's/a:/it's/a"]);
    }

    #[test]
    fn a_shell_agrees_with_the_expansion() {
        let mut scope = Scope::default();
        scope.put("KNOWN", "a'b\\ \"$HOME\" *\nc");
        scope.put_expanded("T", "<$KNOWN|$FROM_NODE|$NOWHERE>");
        let script = format!("{}printf %s \"$T\"", scope.exports());
        let out = std::process::Command::new("sh").args(["-c", &script]).env("FROM_NODE", "n $x").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), "<a'b\\ \"$HOME\" *\nc|n $x|>");
    }

    proptest! {
        #[test]
        fn expansion_never_panics_and_pieces_keep_every_byte(text in "[${}A-Z_0-9é'/\\\\ -]{0,40}") {
            let mut back = String::new();
            for piece in pieces(&text) {
                match piece {
                    Piece::Text(part) => back.push_str(part),
                    Piece::Name(name) => back.push_str(name),
                }
            }
            prop_assert!(back.len() <= text.len());
            let mut scope = Scope::default();
            scope.put("A", "1");
            scope.put_expanded("B", &text);
            scope.put_expanded("A", &text);
            let _ = scope.expand(&text);
        }
    }
}
