import Console
import Testing

@Suite("Text made safe to show")
struct PrintableTests {
  @Test("A name's escape sequences, line ends and direction marks are spelt out")
  func names() {
    #expect(Printable.name("/model/fc1/MatMul") == "/model/fc1/MatMul")
    #expect(Printable.name("a\u{1b}[31mb") == "a\\u{1b}[31mb")
    #expect(Printable.name("a\nb\tc\r") == "a\\u{a}b\\u{9}c\\u{d}")
    #expect(Printable.name("a\r\nb") == "a\\u{d}\\u{a}b", "a pair of line ends is one Character")
    #expect(Printable.name("x\u{202e}y\u{2066}z\u{2028}") == "x\\u{202e}y\\u{2066}z\\u{2028}")
    #expect(Printable.name("\u{9b}2J\u{7f}") == "\\u{9b}2J\\u{7f}")
    #expect(Printable.name("ção 語") == "ção 語")
  }

  @Test("Lines keep their line ends and tabs only")
  func lines() {
    #expect(Printable.lines("a\n\tb\u{07}") == "a\n\tb\\u{7}")
  }

  @Test("Several lines become one sentence, in which everything else is spelt out as in a name")
  func sentence() {
    #expect(Printable.sentence("one\u{1b}, ção") == "one\\u{1b}, ção")
    #expect(
      Printable.sentence("it is not there. It was looked for in\n  a: /x\n  b: /y\n")
        == "it is not there. It was looked for in a: /x; b: /y")
    #expect(Printable.sentence("first\n\nsecond:\nthird\r\nx") == "first; second: third\\u{d}\\u{a}x")
    #expect(Printable.sentence("") == "")
  }

  @Test("Wide characters take two columns and combining marks none")
  func columns() {
    #expect(Printable.columnCount("abc") == 3)
    #expect(Printable.columnCount("語彙") == 4)
    #expect(Printable.columnCount("e\u{301}") == 1)
    #expect(Printable.columnCount("") == 0)
  }

  @Test("A cut name keeps both its ends and never takes more columns than it may")
  func middleCut() {
    #expect(Printable.middleCut("abcdefghij", columnCount: 10) == "abcdefghij")
    #expect(Printable.middleCut("abcdefghij", columnCount: 5) == "ab…ij")
    #expect(Printable.middleCut("abcdefghij", columnCount: 1) == "…")
    #expect(Printable.middleCut("abcdefghij", columnCount: 0) == "")
    for columnCount in 0...12 {
      #expect(Printable.columnCount(Printable.middleCut("語a彙b語c彙d", columnCount: columnCount)) <= columnCount)
    }
  }
}
