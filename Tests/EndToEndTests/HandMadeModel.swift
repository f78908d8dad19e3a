/// Bytes of a small ONNX model, put together field by field, so that tests of the program need none of its
/// code.
///
/// Source: onnx.proto (field numbers) and the protocol-buffers encoding.
struct HandMadeModel {
  private var nodes: [[UInt8]] = []
  private var initializers: [[UInt8]] = []
  private var inputs: [[UInt8]] = []
  private var outputs: [[UInt8]] = []

  /// A tensor of zero bytes, or one whose bytes are in another file.
  mutating func initializer(
    _ name: String, type: Int, _ dimensions: [Int], byteCount: Int,
    external: (location: String, offset: String, length: String)? = nil
  ) {
    var tensor = dimensions.flatMap { Self.number(1, $0) } + Self.number(2, type) + Self.text(8, name)
    if let external {
      let entries = [
        ("location", external.location), ("offset", external.offset), ("length", external.length),
      ]
      tensor +=
        entries.flatMap { Self.bytes(13, Self.text(1, $0.0) + Self.text(2, $0.1)) } + Self.number(14, 1)
    } else {
      tensor += Self.bytes(9, [UInt8](repeating: 0, count: byteCount))
    }
    initializers.append(Self.bytes(5, tensor))
  }

  /// A float tensor with these values.
  mutating func initializer(_ name: String, _ dimensions: [Int], floats: [Float]) {
    let raw = floats.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) }
    }
    let head = dimensions.flatMap { Self.number(1, $0) } + Self.number(2, 1) + Self.text(8, name)
    initializers.append(Self.bytes(5, head + Self.bytes(9, raw)))
  }

  /// A tensor message of any fields.
  mutating func initializer(message: [UInt8]) { initializers.append(Self.bytes(5, message)) }

  mutating func input(_ name: String) { inputs.append(Self.bytes(11, Self.text(1, name))) }

  mutating func output(_ name: String) { outputs.append(Self.bytes(12, Self.text(1, name))) }

  /// A node; integer and text attributes are given by name.
  mutating func node(
    _ operatorName: String, _ inputs: [String], _ outputs: [String], domain: String = "",
    integers: [(String, Int)] = [], texts: [(String, String)] = []
  ) {
    var message = inputs.flatMap { Self.text(1, $0) } + outputs.flatMap { Self.text(2, $0) }
    message += Self.text(4, operatorName) + Self.text(7, domain)
    for (name, value) in integers {
      message += Self.bytes(5, Self.text(1, name) + Self.number(3, value) + Self.number(20, 2))
    }
    for (name, value) in texts {
      message += Self.bytes(5, Self.text(1, name) + Self.text(4, value) + Self.number(20, 3))
    }
    nodes.append(Self.bytes(1, message))
  }

  /// An input or output that is a tensor with these extents, of floats where nothing else is said.
  static func port(_ name: String, _ extents: [Int], type: Int = 1) -> [UInt8] {
    let shape = extents.flatMap { bytes(1, number(1, $0)) }
    return text(1, name) + bytes(2, bytes(1, number(1, type) + bytes(2, shape)))
  }

  mutating func input(_ name: String, _ extents: [Int], type: Int = 1) {
    inputs.append(Self.bytes(11, Self.port(name, extents, type: type)))
  }

  mutating func output(_ name: String, _ extents: [Int]) {
    outputs.append(Self.bytes(12, Self.port(name, extents)))
  }

  /// The graph message.
  var graph: [UInt8] { (nodes + [Self.text(2, "main")] + initializers + inputs + outputs).flatMap { $0 } }

  /// The model file.
  var bytes: [UInt8] { Self.model(graph) }

  /// A model file around a graph message.
  static func model(_ graph: [UInt8]) -> [UInt8] {
    number(1, 8) + bytes(7, graph) + bytes(8, number(2, 18))
  }

  static func varint(_ value: Int) -> [UInt8] {
    var rest = UInt64(value)
    var result: [UInt8] = []
    repeat {
      result.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
      rest >>= 7
    } while rest > 0
    return result
  }

  static func number(_ field: Int, _ value: Int) -> [UInt8] { varint(field << 3) + varint(value) }

  static func bytes(_ field: Int, _ value: [UInt8]) -> [UInt8] {
    varint(field << 3 | 2) + varint(value.count) + value
  }

  static func text(_ field: Int, _ value: String) -> [UInt8] { bytes(field, Array(value.utf8)) }
}
