//! Configuration, places, themes, keys, spans and sizes.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use ostler::tui::theme::Themes;

use super::sheet::Sheet;
use crate::rig::User;

pub const IDS: &[&str] = &[
    "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B13", "B14", "B15", "B16", "B17",
    "B18", "B19", "B20", "B21", "B22", "B23", "B24",
];

#[test]
fn settings() {
    let mut sheet = Sheet::new(User::new());
    sheet.row("B01", "no such file");
    sheet.run("--config none.toml config show");
    sheet.row("B02", "a directory, a FIFO, a device");
    sheet.run("--config . config show");
    rustix::fs::mknodat(rustix::fs::CWD, sheet.user.home().join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("a FIFO");
    sheet.run("--config fifo config show");
    sheet.run("--config /dev/null config show");
    sheet.row("B03", "a file that cannot be read");
    unreadable(&mut sheet);
    sheet.row("B04", "others can write it");
    let open = sheet.user.file("open.toml", "");
    std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o666)).expect("its mode");
    sheet.run("--config open.toml config show");
    sheet.row("B05", "larger than 1 MiB");
    sheet.config(vec![b'#'; (4 << 20) + 1]);
    sheet.row("B06", "a fault of syntax");
    sheet.config("ascii = true\n\nkill_grace \"5s\"\n");
    sheet.row("B07", "an unknown key");
    sheet.config("kil_grace = '5s'\n");
    sheet.row("B08", "a key or a table twice");
    sheet.config("ascii = true\nascii = false\n");
    sheet.config("[keys]\nquit = 'Q'\n[keys]\n");
    sheet.row("B09", "a wrong kind of value");
    sheet.config("requeues_max = 'four'\n");
    sheet.row("B10", "UTF-16, and UTF-8 with a mark");
    sheet.config("ascii = true\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    sheet.config("\u{feff}ascii = true\n");
    sheet.row("B11", "bytes that are not UTF-8");
    sheet.config(b"ascii = true\n# \xff\n");
    sheet.row("B12", "nested 10,000 deep");
    sheet.config(format!("keys = {}{}", "[".repeat(10_000), "]".repeat(10_000)));
    sheet.row("B13", "a file that includes itself: there are no includes");
    sheet.config("include = 'c.toml'\n");
    sheet.row("B14", "no home: that of the account counts, or nothing is guessed");
    homeless(&mut sheet);
    sheet.row("B15", "places that are not absolute");
    let user = User::new().with("XDG_STATE_HOME", "x").with("XDG_CONFIG_HOME", "y");
    sheet.say(&user.run("context show").shown());
    themes(&mut sheet);
    sheet.row("B20", "one key for two commands: the screen does not open");
    let conflict = BTreeMap::from([("stop".to_owned(), vec!["q".to_owned()])]);
    sheet.say(&ostler::tui::keymap::Keymap::new(&conflict).expect_err("two commands").to_string());
    sheet.row("B21", "keys that are none, or that no terminal sends");
    sheet.config("[keys]\nstop = 'ctrl-shift-;'\n");
    sheet.config("[keys]\nstop = 'hyper-x'\n");
    sheet.row("B22", "a time out of its bounds");
    sheet.config("serve_idle = '0s'\n");
    sheet.config("serve_idle = '-5s'\n");
    sheet.row("B23", "spans");
    for span in ["10", "1h30", "-5m", "1e30", "99999d"] {
        sheet.config(format!("kill_grace = '{span}'\n"));
    }
    sheet.row("B24", "sizes");
    for size in ["10GBs", "1.5.2G", "1180591620717411303424", "99999999999999T"] {
        sheet.config(format!("log_max_bytes = '{size}'\n"));
    }
    insta::assert_snapshot!("bad-settings", sheet.end(IDS).1);
}

/// As another user, since root can read everything; as any other user, the mode is enough.
fn unreadable(sheet: &mut Sheet) {
    let path = sheet.user.file("closed.toml", "");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("its mode");
    let mut command = sheet.user.command(&["--config", "closed.toml", "config", "show"]);
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(sheet.user.home(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        // The build folder may be closed to others.
        let program = sheet.user.home().join("ostler");
        std::fs::copy(env!("CARGO_BIN_EXE_ostler"), &program).expect("the program");
        let mut as_nobody = std::process::Command::new(program);
        as_nobody.args(command.get_args()).env_clear().current_dir(sheet.user.home()).uid(65534).gid(65534);
        as_nobody.env("HOME", sheet.user.home());
        command = as_nobody;
    }
    let output = command.stdin(std::process::Stdio::null()).output().expect("the program starts");
    let ran = sheet.user.ran("--config closed.toml config show", output);
    sheet.say(&ran.shown());
}

fn homeless(sheet: &mut Sheet) {
    let mut command = sheet.user.command(&["context", "show"]);
    command.env_remove("HOME").env_remove("XDG_RUNTIME_DIR");
    let ran = sheet.user.ran("context show", command.output().expect("the program starts"));
    let guessed = ran.stderr.contains("cannot find a home") || ran.code == 0;
    assert!(guessed, "{}", ran.shown());
    assert!(!sheet.user.hosted());
    sheet.say("ended in order\n");
}

fn themes(sheet: &mut Sheet) {
    let load = |text: &str| {
        let themes = Themes::new([("mine".to_owned(), text.to_owned())].into());
        themes.load("mine").map(|theme| theme.hard_to_read()).map_err(|fault| fault.to_string())
    };
    let said = |text: &str| format!("{:?}\n", load(text));
    sheet.row("B16", "a colour that is none");
    sheet.say(&said("inherits = 'warm'\n[palette]\naccent = '#12345'\n"));
    sheet.row("B17", "a style that nobody knows");
    sheet.say(&said("inherits = 'warm'\n[roles]\ncursr = 'red'\n"));
    sheet.row("B18", "text and ground alike");
    sheet.say(&said("inherits = 'warm'\n[roles]\ntext = '#202020'\nground = { fg = '#202020', bg = '#202020' }\n"));
    sheet.row("B19", "a name that leads elsewhere");
    sheet.config("theme = '../x'\n");
}
