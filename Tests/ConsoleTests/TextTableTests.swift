import Console
import Testing

@Suite("Tables of text")
struct TextTableTests {
  private func sample() -> TextTable {
    var table = TextTable([.init("weight"), .init("bytes", .right), .init("scheme")])
    table.append(["/encoder/layers.0/fc1/MatMul", "9.4 MB", "int8"])
    table.append(["proj", "512 B", "kept"])
    return table
  }

  @Test("Words stand left, numbers right, and no line ends in a blank")
  func alignment() {
    let expected = """
      weight                         bytes  scheme
      ----------------------------  ------  ------
      /encoder/layers.0/fc1/MatMul  9.4 MB  int8
      proj                           512 B  kept

      """
    #expect(sample().render() == expected)
  }

  @Test("On a terminal only columns of words are cut, in their middle")
  func cut() {
    let expected = """
      weight           bytes  scheme
      --------------  ------  ------
      /encod…/MatMul  9.4 MB  int8
      proj             512 B  kept

      """
    #expect(sample().render(width: 30) == expected)
  }

  @Test("No line is wider than the terminal, however narrow", arguments: 0...50)
  func neverWider(width: Int) {
    for line in sample().render(width: width).split(separator: "\n") {
      #expect(Printable.columnCount(String(line)) <= width)
    }
  }

  @Test("Control characters in cells are spelt out and count for the width")
  func controls() {
    var table = TextTable([.init("name"), .init("n", .right)])
    table.append(["a\nb", "1"])
    #expect(table.render() == "name     n\n-------  -\na\\u{a}b  1\n")
  }

  @Test("Wide characters keep the columns aligned")
  func wide() {
    var table = TextTable([.init(""), .init("")])
    table.append(["語", "x"])
    table.append(["ab", "y"])
    #expect(table.render() == "語  x\nab  y\n")
  }

  @Test("Missing cells are empty, and a table without rows is its head")
  func missing() {
    var table = TextTable([.init("a"), .init("b")])
    #expect(table.render() == "a  b\n-  -\n")
    table.append(["x"])
    #expect(table.rowCount == 1)
    #expect(table.render() == "a  b\n-  -\nx\n")
  }
}
