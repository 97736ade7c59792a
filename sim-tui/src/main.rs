//! The program `faultline`; all of it is in the library beside this file.

fn main() -> std::process::ExitCode {
    sim_tui::main()
}
