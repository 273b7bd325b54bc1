//! Arguments → front end; exit code. Nothing else.

use ostler::api::host::Opening;
use ostler::cli;
use ostler::cli::screen::{Left, Look, Screen, Showing};
use std::path::{Path, PathBuf};

use ostler::model::fault::Fault;
use ostler::model::units::Millis;
use ostler::tui::theme::Depth;
use ostler::tui::theme::load::Themes;
use ostler::tui::{Leave, TuiOptions};

fn main() -> std::process::ExitCode {
    if let Some(code) = ostler::agent::called() {
        return std::process::ExitCode::from(code);
    }
    ostler::transport::program::offer_this_program();
    // Whoever asks for encryption later finds it; a second provider cannot be there before the first line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let code = cli::run(&Screen { show, replay, still, moving, themes });
    std::process::ExitCode::from(u8::try_from(code & 0xFF).unwrap_or(1))
}

fn options(look: Look) -> TuiOptions {
    TuiOptions {
        theme: look.config.ui.theme.clone(),
        themes_dir: look.themes_dir,
        sizes_file: Some(look.sizes_file),
        keys: look.config.ui.keys.clone(),
        readonly: look.readonly,
        ascii: look.ascii,
        blocks: look.blocks,
        stop_hold: look.config.settings.stop_hold,
        record: look.record,
        demo: look.demo,
        again: look.again,
        columns: look.config.ui.columns.clone(),
        mouse: look.config.ui.mouse,
        bell: look.config.ui.bell,
        changes: look.changes,
        pace: look.config.ui.pace,
        sizes: look.config.ui.sizes,
        machine: ostler::tui::here::Machine {
            ssh_config: look.config.ssh_config.clone(),
            classes: look.config.settings.node_classes.keys().cloned().collect(),
        },
        ..TuiOptions::default()
    }
}

fn left(leave: Leave) -> Left {
    match leave {
        Leave::Quit => Left::Quit,
        Leave::Background => Left::Background,
        Leave::Stop => Left::Stop,
    }
}

fn show(core: Opening, look: Look) -> Showing {
    Box::pin(async move { ostler::tui::run(core, options(look)).await.map(left) })
}

fn replay(file: PathBuf, look: Look) -> Showing {
    Box::pin(async move { ostler::tui::replay(file, options(look)).await.map(left) })
}

fn still(file: &Path, look: Look, size: (u16, u16), after: Millis) -> Result<String, Fault> {
    // A picture has all colours, whatever terminal it is made from.
    let options = TuiOptions { depth: Some(Depth::True), ..options(look) };
    ostler::tui::still::still(file, &options, size, after)
}

fn moving(file: &Path, look: Look, size: (u16, u16), until: Millis) -> Result<String, Fault> {
    let options = TuiOptions { depth: Some(Depth::True), ..options(look) };
    ostler::tui::moving::moving(file, &options, size, until)
}

fn themes() -> Vec<String> {
    Themes::default().names()
}
