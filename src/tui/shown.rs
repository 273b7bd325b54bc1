//! Text from outside made fit to be drawn: what could move the cursor, change the terminal or hide other text becomes
//! visible symbols.

/// Returns the text with every control and invisible character made visible, on one line.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '\u{0}'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('?')),
            '\u{7f}' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' => {
                out.push_str(&format!("<{:04X}>", c as u32));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn nothing_reaches_the_terminal() {
        for (text, out) in
            [("a\u{1b}[2J", "a␛[2J"), ("x\r\ny", "x  y"), ("a\u{202e}b", "a<202E>b"), ("\u{9b}1m", "<009B>1m")]
        {
            assert_eq!(shown(text), out);
        }
    }
}
