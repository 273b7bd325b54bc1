//! Themes: complete, readable, and told apart without colour.

use ostler::tui::theme::contrast::{NOT_TEXT, contrast};
use ostler::tui::theme::{BUILT_IN, Depth, Role, Themes};
use ratatui::style::{Color, Modifier, Style};

/// WCAG 2.2, 1.4.3 (level AA): the least contrast of text.
const CONTRAST_MIN: f64 = 4.5;

/// Grounds on which any text may stand.
const GROUNDS: &[Role] = &[Role::Ground, Role::Panel, Role::Cursor, Role::CursorIdle];

#[test]
fn text_can_be_read_on_every_ground() {
    let themes = Themes::default();
    for (name, _) in BUILT_IN.iter().filter(|(name, _)| *name != "ansi16") {
        let theme = themes.load(name).expect("a built-in theme loads");
        for role in Role::ALL.iter().filter(|role| !NOT_TEXT.contains(role)) {
            let style = theme.style(*role);
            let Some(fg) = style.fg else { continue };
            let own = style.bg;
            let grounds: Vec<Color> = match own {
                Some(bg) => vec![bg],
                None => GROUNDS.iter().filter_map(|role| theme.style(*role).bg).collect(),
            };
            for bg in grounds {
                let contrast = contrast(fg, bg).expect("built-in themes have true colours");
                assert!(contrast >= CONTRAST_MIN, "{name}: {role:?} has {contrast:.2} on {bg:?}");
            }
        }
    }
}

#[test]
fn without_colours_the_cursor_still_shows() {
    for (name, _) in BUILT_IN {
        let theme = Themes::default().load(name).expect("a built-in theme loads").at_depth(Depth::None);
        for role in [Role::Cursor, Role::Choice] {
            assert!(theme.style(role).add_modifier.contains(Modifier::REVERSED), "{name}: {role:?}");
        }
        for role in Role::ALL {
            let Style { fg, bg, .. } = theme.style(*role);
            assert!([fg, bg].iter().all(|c| matches!(c, None | Some(Color::Reset))), "{name}: {role:?}");
        }
    }
}

#[test]
fn own_themes_refine_and_faults_have_their_line() {
    let own = |name: &str, text: &str| Themes::new([(name.to_owned(), text.to_owned())].into());
    let themes = own("mine", "inherits = \"warm\"\n[palette]\naccent = \"#00ff00\"\n");
    let theme = themes.load("mine").expect("it loads");
    assert_eq!(theme.style(Role::Key).fg, Some(Color::Rgb(0, 255, 0)));
    assert_eq!(themes.names().first().map(String::as_str), Some("mine"));
    for (name, text, says) in [
        ("a", "inherits = \"a\"\n[roles]\ncursr = \"red\"\n", "line 3"),
        ("b", "inherits = \"warm\"\n[roles]\ntext = \"reddish\"\n", "`reddish`"),
        ("c", "[roles]\ntext = \"red\"\n", "no style for"),
        ("d", "inherits = \"e\"\n", "no theme `e`"),
        ("warm", "inherits = \"d\"\n", "no theme `d`"),
    ] {
        let fault = own(name, text).load(name).expect_err(name);
        assert!(fault.message.contains(says), "{name}: {}", fault.message);
    }
    // A file of a built-in name may refine the built-in one.
    let themes = own("warm", "inherits = \"warm\"\n[palette]\naccent = \"#00ff00\"\n");
    assert_eq!(themes.load("warm").expect("it loads").style(Role::Key).fg, Some(Color::Rgb(0, 255, 0)));
}
