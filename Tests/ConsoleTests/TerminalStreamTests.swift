import Console
import Foundation
import Testing

@Suite("Streams and notes")
struct TerminalStreamTests {
  @Test("Colours need a terminal that is not dumb, and no NO_COLOR")
  func colors() {
    #expect(ColorUse.choose(for: .terminal, noColor: nil, term: "xterm") == .ansi)
    #expect(ColorUse.choose(for: .terminal, noColor: nil, term: nil) == .ansi)
    #expect(ColorUse.choose(for: .terminal, noColor: "", term: "xterm") == .ansi)
    #expect(ColorUse.choose(for: .terminal, noColor: "1", term: "xterm") == .none)
    #expect(ColorUse.choose(for: .terminal, noColor: nil, term: "dumb") == .none)
    #expect(ColorUse.choose(for: .plain, noColor: nil, term: "xterm") == .none)
  }

  @Test("A styled line is one write, coloured only where colours are wanted")
  func styled() throws {
    let screen = ScreenForTests()
    try screen.stream(.terminal, colors: .ansi).writeLine("bad", style: .bad)
    try screen.stream(.plain).writeLine("bad", style: .bad)
    try screen.stream(.terminal, colors: .ansi).writeLine("plain")
    #expect(screen.writes == ["\u{1b}[31mbad\u{1b}[0m\n", "bad\n", "plain\n"])
  }

  @Test("A line's own escape sequences are spelt out")
  func escapes() throws {
    let screen = ScreenForTests()
    try screen.stream(.terminal, colors: .ansi).writeLine("a\u{1b}[2Jb")
    #expect(screen.text == "a\\u{1b}[2Jb\n")
  }

  @Test("Each verbosity lets its kinds of notes through")
  func verbosity() {
    let expected: [Verbosity: String] = [
      .quiet: "error: e\n", .normal: "error: e\nwarning: w\nn\n",
      .verbose: "error: e\nwarning: w\nn\nd\n",
    ]
    for verbosity in Verbosity.allCases {
      let screen = ScreenForTests()
      let notes = Notes(stream: screen.stream(.plain), verbosity: verbosity)
      notes.error("e")
      notes.warning("w")
      notes.note("n")
      notes.detail("d")
      #expect(screen.text == expected[verbosity])
    }
  }

  @Test("On a terminal the word before an error is coloured, its text is not")
  func coloredError() {
    let screen = ScreenForTests()
    Notes(stream: screen.stream(.terminal, colors: .ansi), verbosity: .normal).error("x\u{07}")
    #expect(screen.text == "\u{1b}[31merror: \u{1b}[0mx\\u{7}\n")
  }

  @Test("A status line is taken away before a line is written and drawn again after it")
  func statusLine() throws {
    let screen = ScreenForTests()
    let stream = screen.stream(.terminal)
    stream.setStatusLine("50%")
    try stream.writeLine("note")
    stream.setStatusLine(nil)
    stream.setStatusLine(nil)
    try stream.writeLine("end")
    let erase = "\r\u{1b}[K"
    #expect(screen.writes == ["\(erase)50%", "\(erase)note\n50%", erase, "end\n"])
  }

  @Test("What is no terminal has no status line")
  func noStatusLine() {
    let screen = ScreenForTests()
    screen.stream(.plain).setStatusLine("50%")
    #expect(screen.writes.isEmpty)
  }

  @Test("A stream that takes no text throws its reason")
  func failure() {
    let error = ConsoleError(descriptor: 1, code: ENOSPC)
    #expect(throws: error) { try ScreenForTests(failure: error).stream(.plain).write("x") }
    #expect(
      error.description
        == "cannot write to standard output: No space left on device; check the disk or the program that reads "
        + "the output")
  }

  @Test("All bytes of a long text reach a file, and a closed descriptor is an error")
  func descriptor() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "whisperq-\(UUID().uuidString)")
    try Data().write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    let file = try FileHandle(forWritingTo: url)
    let stream = TerminalStream(descriptor: file.fileDescriptor)
    let text = String(repeating: "0123456789é", count: 100_000)
    #expect(stream.kind == .plain)
    #expect(stream.width == nil)
    try stream.write(text)
    #expect(try Data(contentsOf: url) == Data(text.utf8))
    #expect(throws: ConsoleError(descriptor: -1, code: EBADF)) {
      try TerminalStream(descriptor: -1).write("x")
    }
    withExtendedLifetime(file) {}
  }
}
