//! Text from outside as the panes draw it: cleaned by [`Shown`], on one line.

use crate::model::shown::Shown;

/// Returns the text with every control and invisible character made visible; line breaks and tabs become spaces, since
/// what is drawn here has one line.
pub fn shown(text: &str) -> String {
    if text.contains(['\n', '\r', '\t']) {
        let words: Vec<&str> = text.split(['\n', '\r', '\t']).filter(|part| !part.is_empty()).collect();
        return Shown::new(&words.join(" ")).into();
    }
    Shown::new(text).into()
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn nothing_reaches_the_terminal() {
        for text in ["a\u{1b}[2J", "x\r\ny", "a\u{202e}b", "\u{9b}1m", "\u{1b}]0;title\u{7}"] {
            let out = shown(text);
            assert!(!out.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?} gave {out:?}");
        }
        assert_eq!(shown("Permission denied\r\nlost"), "Permission denied lost");
    }
}
