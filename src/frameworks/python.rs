//! Owns the line of a Python program: `{interpreter} {script} {arguments}`, pasted together unquoted (reference §6.3).

use super::{interpreter, line};
use crate::model::spec::toolkit::Program;

/// Returns the line of a program.
pub(super) fn program_line(program: &Program) -> String {
    let args = program.command_line_args.as_deref().unwrap_or_default();
    line(&[interpreter(program.python_interpreter_path.as_deref()), &program.python_script_file_path, args])
}

/// Returns the line of a script that a settings object may lack; without one it is the interpreter alone.
pub(super) fn script_line(script: &Option<String>, python: &Option<String>, args: &str) -> String {
    line(&[interpreter(python.as_deref()), script.as_deref().unwrap_or_default(), args])
}

/// Returns the line that runs a module with arguments of ours before the program, as launchers written in Python want it.
pub(super) fn module_line(module: &str, ours: &str, program: &Program) -> String {
    let args = program.command_line_args.as_deref().unwrap_or_default();
    let python = interpreter(program.python_interpreter_path.as_deref());
    line(&[python, "-m", module, ours, &program.python_script_file_path, args])
}
