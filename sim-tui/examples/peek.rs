use sim_tui::explore::headless::Headless;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (w, h) = a[1].split_once('x').unwrap();
    let what = (a[2] != "-").then_some(a[2].as_str());
    let mut e = Headless::open((w.parse().unwrap(), h.parse().unwrap()), what);
    for k in &a[3..] {
        if k == "RUN" { e.run_until_paused(); }
        else if let Some(c) = k.strip_prefix("CMD:") { e.command(c); }
        else if let Some(c) = k.strip_prefix("WAKE:") { for _ in 0..c.parse::<u32>().unwrap() { e.wake(std::time::Duration::from_millis(33), 50_000); } }
        else if k == "SHOW" { println!("{}\n{}", e.text(), "=".repeat(40)); }
        else { e.press(k); }
    }
    println!("{}", e.text());
}
