import ONNXFile
import Tensors

/// Writes a model as the canonical text that `Tests/Oracles/proto_tree.c` writes of the same bytes.
///
/// Every message is visited by hand here, so that nothing of the encoder under test takes part.
struct ModelTree {
  private(set) var text = ""

  /// The text of a whole model.
  static func text(of model: ModelProto) -> String {
    var tree = ModelTree()
    tree.visit(model)
    return tree.text
  }

  // MARK: Values

  mutating func line(_ field: Int, _ value: Int64?) {
    if let value { text += "\(field) i \(value)\n" }
  }

  mutating func line(_ field: Int, _ value: Int32?) {
    if let value { text += "\(field) i \(value)\n" }
  }

  mutating func line(_ field: Int, _ value: Float?) {
    if let value { text += "\(field) f \(hexadecimal(UInt64(value.bitPattern), digits: 8))\n" }
  }

  mutating func line(_ field: Int, _ value: String?) {
    if let value { line(field, Array(value.utf8)) }
  }

  mutating func line(_ field: Int, _ bytes: [UInt8]) { blob("\(field) s \(bytes.count)", .owned(bytes)) }

  mutating func line(_ field: Int, _ values: [String]) {
    for value in values { line(field, value) }
  }

  mutating func line(_ field: Int, raw bytes: TensorBytes?) {
    if let bytes { blob("\(field) s \(bytes.byteCount)", bytes) }
  }

  mutating func line(_ field: Int, numbers values: [some FixedWidthInteger]) {
    if values.isEmpty { return }
    blob("\(field) n \(values.count)", .owned(littleEndian(values)))
  }

  /// A packed field of fixed-width values, which keeps its encoding.
  mutating func line(_ field: Int, fixed bytes: TensorBytes, width: Int) {
    if bytes.byteCount > 0 { blob("\(field) n \(bytes.byteCount / width)", bytes) }
  }

  /// A packed field of varints, which keeps its encoding and is decoded here.
  mutating func line(_ field: Int, varints bytes: TensorBytes, width: Int) {
    var values: [UInt64] = []
    var bytes = bytes.copied()[...]
    while !bytes.isEmpty { values.append(takeVarint(&bytes)) }
    if width == 4 {
      line(field, numbers: values.map { UInt32(truncatingIfNeeded: $0) })
    } else {
      line(field, numbers: values)
    }
  }

  mutating func message(_ field: Int, _ body: (inout ModelTree) -> Void) {
    text += "\(field) {\n"
    body(&self)
    text += "}\n"
  }

  mutating func each<Message>(
    _ field: Int, _ messages: some Sequence<Message>, _ body: (inout ModelTree, Message) -> Void
  ) {
    for value in messages { message(field) { body(&$0, value) } }
  }

  mutating func one<Message>(_ field: Int, _ value: Message?, _ body: (inout ModelTree, Message) -> Void) {
    if let value { message(field) { body(&$0, value) } }
  }

  mutating func unknown(_ fields: UnknownFields) {
    var rest = fields.bytes[...]
    while !rest.isEmpty {
      let tag = takeVarint(&rest)
      let start = rest
      skip(tag & 7, &rest)
      let value = Array(start[start.startIndex..<rest.startIndex])
      blob("? \(tag >> 3) \(tag & 7) \(value.count)", .owned(value))
    }
  }

  private mutating func blob(_ head: String, _ bytes: TensorBytes) {
    let hash = bytes.withBytes { span in
      var hash: UInt64 = 0xCBF2_9CE4_8422_2325
      for index in 0..<span.count { hash = (hash ^ UInt64(span[index])) &* 0x100_0000_01B3 }
      return hash
    }
    text += "\(head) \(hexadecimal(hash, digits: 16))\n"
  }

  private func skip(_ type: UInt64, _ rest: inout ArraySlice<UInt8>) {
    switch type {
    case 0: _ = takeVarint(&rest)
    case 1: rest = rest.dropFirst(8)
    case 2:
      let count = Int(takeVarint(&rest))
      rest = rest.dropFirst(count)
    case 5: rest = rest.dropFirst(4)
    case 3:
      while true {
        let inner = takeVarint(&rest)
        if inner & 7 == 4 { return }
        skip(inner & 7, &rest)
      }
    default: preconditionFailure("the reader let wire type \(type) through")
    }
  }
}

/// Digits of a number, padded with zeros.
func hexadecimal(_ value: UInt64, digits: Int) -> String {
  let text = String(value, radix: 16)
  return String(repeating: "0", count: max(0, digits - text.count)) + text
}

/// The bytes of numbers, lowest first.
func littleEndian(_ values: some Sequence<some FixedWidthInteger>) -> [UInt8] {
  values.flatMap { value in
    (0..<(type(of: value).bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }
}

private func takeVarint(_ bytes: inout ArraySlice<UInt8>) -> UInt64 {
  var value: UInt64 = 0
  var shift: UInt64 = 0
  while let byte = bytes.popFirst() {
    value |= UInt64(byte & 0x7F) << shift
    shift += 7
    if byte < 0x80 { break }
  }
  return value
}
