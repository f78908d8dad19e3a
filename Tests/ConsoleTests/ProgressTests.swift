import Console
import Synchronization
import Testing

@Suite("Progress bar")
struct ProgressBarTests {
  private let bar = ProgressBar(
    label: "encoder", doneByteCount: 944_000_000, totalByteCount: 2_550_000_000, elapsed: .milliseconds(226))

  @Test("A wide line has label, bar, percent, bytes, rate and time left")
  func wide() {
    #expect(
      bar.draw(width: 120)
        == "encoder  [###########-------------------]   37%  944 MB of 2.55 GB  4.18 GB/s  0:00 left")
  }

  @Test("A narrower line has a shorter bar, then none, then is cut")
  func narrow() {
    #expect(bar.draw(width: 70) == "encoder  [####--------]   37%  944 MB of 2.55 GB  4.18 GB/s  0:00 left")
    #expect(bar.draw(width: 60) == "encoder   37%  944 MB of 2.55 GB  4.18 GB/s  0:00 left")
    #expect(bar.draw(width: 12) == "encoder   37")
  }

  @Test("No line is wider than asked for", arguments: [0, 1, 10, 40, 59, 60, 61, 62, 63, 80, 200])
  func neverWider(width: Int) {
    var bar = bar
    bar.label = "語彙\u{1b}[2J\n"
    for done in [0, 1, 999_999, 2_549_999_999, 2_550_000_000] as [UInt64] {
      bar.doneByteCount = done
      #expect(Printable.columnCount(bar.draw(width: width)) <= width)
      #expect(!bar.draw(width: width).contains("\u{1b}"))
    }
  }

  @Test("Before the first byte there is no rate to foretell from")
  func beginning() {
    let bar = ProgressBar(label: "x", totalByteCount: 1000)
    #expect(bar.remaining == nil)
    #expect(bar.draw(width: 30) == "x    0%  0 B of 1.00 kB")
  }

  @Test("Percent reaches 100 only at the end, and a job of no bytes is done")
  func ends() {
    let almost = ProgressBar(
      label: "x", doneByteCount: 999_999, totalByteCount: 1_000_000, elapsed: .seconds(1))
    #expect(almost.drawPlain().hasPrefix("x:  99%  "))
    let nothing = ProgressBar(label: "x", totalByteCount: 0)
    #expect(nothing.share == 1)
    #expect(nothing.remaining == .zero)
    let over = ProgressBar(label: "x", doneByteCount: 20, totalByteCount: 10, elapsed: .seconds(1))
    #expect(over.share == 1)
    #expect(over.remaining == .zero)
  }

  @Test("The time left is foretold from the mean rate")
  func remaining() {
    let bar = ProgressBar(label: "x", doneByteCount: 250, totalByteCount: 1000, elapsed: .seconds(10))
    #expect(bar.remaining == .seconds(30))
  }

  @Test("The final line says how much, how long and how fast")
  func final() {
    let bar = ProgressBar(
      label: "encoder", doneByteCount: 2_550_000_000, totalByteCount: 2_550_000_000,
      elapsed: .milliseconds(610))
    #expect(bar.drawFinal() == "encoder: 2.55 GB in 0.61 s, 4.18 GB/s")
  }
}

@Suite("Progress reporter")
struct ProgressReporterTests {
  private func reporter(
    _ screen: ScreenForTests, _ kind: TerminalStream.Kind, verbosity: Verbosity = .normal,
    total: UInt64 = 1000
  ) -> ProgressReporter {
    let notes = Notes(stream: screen.stream(kind, width: 80), verbosity: verbosity)
    return ProgressReporter(label: "job", totalByteCount: total, notes: notes, now: screen.now)
  }

  @Test("A terminal is redrawn at most ten times a second")
  func terminal() {
    let screen = ScreenForTests()
    let reporter = reporter(screen, .terminal)
    for _ in 0..<100 {
      screen.pass(.milliseconds(10))
      reporter.advance(by: 10)
    }
    #expect(screen.writes.count == 10)
    #expect(screen.writes[0].hasPrefix("\r\u{1b}[Kjob  ["))
    reporter.finish()
    #expect(screen.writes.count == 12)
    #expect(screen.writes[11] == "job: 1.00 kB in 1.00 s, 1.00 kB/s\n")
  }

  @Test("Elsewhere a plain line appears every five seconds, and one at the end")
  func plain() {
    let screen = ScreenForTests()
    let reporter = reporter(screen, .plain)
    for _ in 0..<120 {
      screen.pass(.milliseconds(100))
      reporter.advance(by: 5)
    }
    reporter.finish()
    #expect(
      screen.writes == [
        "job:  25%  250 B of 1.00 kB  50 B/s  0:15 left\n",
        "job:  50%  500 B of 1.00 kB  50 B/s  0:10 left\n",
        "job: 600 B in 12.0 s, 50 B/s\n",
      ])
  }

  @Test("A quiet run prints nothing")
  func quiet() {
    for kind in [TerminalStream.Kind.terminal, .plain] {
      let screen = ScreenForTests()
      let reporter = reporter(screen, kind, verbosity: .quiet)
      screen.pass(.seconds(60))
      reporter.advance(by: 500)
      reporter.finish()
      #expect(screen.writes.isEmpty)
    }
  }

  @Test("The end is said once, and nothing is drawn after it")
  func once() {
    let screen = ScreenForTests()
    let reporter = reporter(screen, .plain)
    reporter.finish()
    reporter.finish()
    reporter.abandon()
    screen.pass(.seconds(60))
    reporter.advance(by: 1)
    #expect(screen.writes == ["job: 0 B in 0 µs\n"])
  }

  @Test("An abandoned job leaves no bar behind and no final line")
  func abandoned() {
    let screen = ScreenForTests()
    let reporter = reporter(screen, .terminal)
    screen.pass(.seconds(1))
    reporter.advance(by: 1)
    reporter.abandon()
    #expect(screen.writes.count == 2)
    #expect(screen.writes[1] == "\r\u{1b}[K")
  }

  @Test("No byte is lost when many threads advance at once")
  func threads() async {
    let screen = ScreenForTests()
    let reporter = reporter(screen, .plain, total: 80_000)
    await withTaskGroup { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<10_000 { reporter.advance(by: 1) }
        }
      }
    }
    screen.pass(.seconds(1))
    reporter.finish()
    #expect(screen.writes == ["job: 80.0 kB in 1.00 s, 80.0 kB/s\n"])
  }
}
