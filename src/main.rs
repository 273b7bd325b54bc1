//! Arguments → front end; exit code. Nothing else.

use ostler::api::Client;
use ostler::cli;
use ostler::cli::screen::{Left, Look, Screen, Showing};
use ostler::tui::theme::load::Themes;
use ostler::tui::{Leave, TuiOptions};

fn main() -> std::process::ExitCode {
    // Whoever asks for encryption later finds it; a second provider cannot be there before the first line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let code = cli::run(&Screen { show, themes });
    std::process::ExitCode::from(u8::try_from(code & 0xFF).unwrap_or(1))
}

fn show(client: Client, look: Look) -> Showing {
    let options = TuiOptions {
        theme: look.config.ui.theme.clone(),
        themes_dir: look.themes_dir,
        sizes_file: Some(look.sizes_file),
        keys: look.config.ui.keys.clone(),
        readonly: look.readonly,
        ascii: look.ascii,
        stop_hold: look.config.settings.stop_hold,
        record: look.record,
        demo: look.demo,
        ..TuiOptions::default()
    };
    Box::pin(async move {
        let left = ostler::tui::run(client, options).await?;
        Ok(match left {
            Leave::Quit => Left::Quit,
            Leave::Background => Left::Background,
            Leave::Stop => Left::Stop,
        })
    })
}

fn themes() -> Vec<String> {
    Themes::default().names()
}
