import Console
import Foundation
import Testing

@Suite("JSON documents")
struct JSONTests {
  @Test("Keys are sorted by their bytes in both layouts")
  func sorted() {
    let value: JSONValue = ["b": 1, "a": [true, nil, "x"], "é": [:], "B": []]
    #expect(value.text(.compact) == #"{"B":[],"a":[true,null,"x"],"b":1,"é":{}}"#)
    let expected = """
      {
        "B": [],
        "a": [
          true,
          null,
          "x"
        ],
        "b": 1,
        "é": {}
      }
      """
    #expect(value.text() == expected)
  }

  @Test("Strings are escaped so that neither JSON nor a terminal is led astray")
  func escapes() {
    let value = JSONValue.string("\"\\/\u{08}\u{0C}\n\r\t\u{01}\u{1b}\u{7f}\u{9b}\u{202e}語\u{1F600}")
    #expect(value.text() == #""\"\\/\b\f\n\r\t\u0001\u001b\u007f\u009b\u202e語😀""#)
  }

  @Test("Numbers have their shortest form and what is no number is null")
  func numbers() {
    #expect(JSONValue.double(0.1).text() == "0.1")
    #expect(JSONValue.double(1).text() == "1.0")
    #expect(JSONValue.double(-0.0).text() == "-0.0")
    #expect(JSONValue.double(1e300).text() == "1e+300")
    #expect(JSONValue.double(.infinity).text() == "null")
    #expect(JSONValue.double(.nan).text() == "null")
    #expect(JSONValue.integer(.min).text() == "-9223372036854775808")
    #expect(JSONValue.float(0.1).text() == "0.1")
    #expect(JSONValue.float(.nan).text() == "null")
    #expect(JSONValue.integer(ifPresent: nil) == .null)
    #expect(JSONValue.string(ifPresent: "x") == "x")
  }

  @Test("A Float written as JSON reads back with the same bits")
  func floatBits() throws {
    var bits: UInt32 = 0x9E37_79B9
    for _ in 0..<5000 {
      bits = bits &* 1_664_525 &+ 1_013_904_223
      let value = Float(bitPattern: bits)
      guard value.isFinite else { continue }
      let read = try #require(Float(JSONValue.float(value).text()))
      #expect(read.bitPattern == value.bitPattern)
    }
  }

  @Test("Foundation's parser reads back every kind of value")
  func foundationReads() throws {
    let value: JSONValue = [
      "text": "line\n\u{1b}[0m\"\\ 語 \u{1F600} \u{2028}", "list": [1, 2.5, false, nil], "none": [:],
      "small": .double(.leastNonzeroMagnitude), "large": 1.7976931348623157e308,
    ]
    for layout in [JSONValue.Layout.compact, .indented] {
      let data = Data(value.text(layout).utf8)
      let object = try #require(try JSONSerialization.jsonObject(with: data) as? NSDictionary)
      let expected: NSDictionary = [
        "text": "line\n\u{1b}[0m\"\\ 語 \u{1F600} \u{2028}",
        "list": [1, 2.5, false, NSNull()] as [Any], "none": [String: Any](),
        "small": Double.leastNonzeroMagnitude, "large": 1.7976931348623157e308,
      ]
      #expect(object == expected)
    }
  }

  @Test("A document of many members is written the same way each time")
  func deterministic() {
    let keys = (0..<500).map { "key\($0)" }
    let first = JSONValue.object(Dictionary(uniqueKeysWithValues: keys.map { ($0, .string($0)) }))
    let second = JSONValue.object(Dictionary(uniqueKeysWithValues: keys.reversed().map { ($0, .string($0)) }))
    #expect(first.text() == second.text())
  }
}
