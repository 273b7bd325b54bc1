//! Hosts, users and names of nodes.

use super::sheet::{Sheet, clean};
use crate::rig::User;

pub const IDS: &[&str] = &["B25", "B26", "B27", "B28", "B29", "B30", "B31", "B33", "B34"];

#[test]
fn hosts() {
    let user = User::new();
    user.lab();
    let mut sheet = Sheet::new(user).guarded();
    let host = |sheet: &mut Sheet, host: &str| {
        sheet.user.file(
            "h.json",
            serde_json::json!({
                "hosts": [host], "scaleSettings": {"manual": {"targetNodeCount": 0}}
            })
            .to_string(),
        );
        let ran = sheet.user.run("cluster create other -f h.json");
        clean(&ran);
        sheet.say(&format!("{:.40}\n{}", host.escape_debug().to_string(), ran.stderr));
        assert_eq!(ran.code, 1, "{}", ran.shown());
    };
    sheet.row("B25", "a host that is an option");
    host(&mut sheet, "-oProxyCommand=x");
    host(&mut sheet, "ci@-oProxyCommand=x");
    sheet.row("B26", "characters that a shell or a terminal takes for its own");
    for bad in ["a\\ b", "a'b", "a\"b", "a$b", "a`b", "a;b", "a|b", "a\u{1b}[2Jb", "a\u{0}b", "gpu\u{202e}1", "a/b"] {
        host(&mut sheet, bad);
    }
    sheet.row("B27", "no host, and 300 characters");
    host(&mut sheet, "");
    host(&mut sheet, &"h".repeat(300));
    sheet.row("B28", "users");
    for bad in ["a;b@h", "-x@h", "@h", "a\u{7}@h", "$(id)@h"] {
        host(&mut sheet, bad);
    }
    sheet.row("B29", "ports, which are ssh's matter");
    for bad in ["h:0", "h:65536", "h:ssh", "h:22"] {
        host(&mut sheet, bad);
    }
    sheet.row("B30", "IPv6 with a port");
    host(&mut sheet, "[::1]:22");
    host(&mut sheet, "[gpu1]");
    sheet.row("B31", "a node twice");
    sheet.run("cluster create other --target 0 --hosts gpu[1-3],gpu2");
    sheet.row("B33", "names");
    for bad in ["a/b", "..", "a\u{202e}b", "a\u{1b}b", &"n".repeat(65)] {
        sheet.run(&format!("cluster create '{bad}' --provider local --target 0"));
    }
    sheet.row("B34", "letters that look like others");
    host(&mut sheet, "\u{430}lpha");
    insta::assert_snapshot!("bad-hosts", sheet.end(IDS).1);
}
