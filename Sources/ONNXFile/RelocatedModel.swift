public import ByteIO
import ProtobufWire

/// A model file whose data files have other names; every other byte of its fields stays as it is, canonical
/// or not.
///
/// What changes: the value of `location` in tensors whose data is external, `ep_cache_context` of `EPContext`
/// nodes whose program is a file, and the lengths of the messages around them. Source: onnx.proto,
/// `TensorProto.external_data`; ONNX Runtime's operator `EPContext`.
public struct RelocatedModel: Sendable {
  private let file: MappedFile
  private let pieces: [Piece]
  /// Length of the changed file.
  public let byteCount: Int
  /// Names that were found and replaced.
  public let renamed: Set<String>

  /// Bytes of the source, or new ones.
  private enum Piece: Sendable {
    case source(Range<Int>)
    case literal([UInt8])

    var byteCount: Int {
      switch self {
      case .source(let range): range.count
      case .literal(let bytes): bytes.count
      }
    }
  }

  /// Finds the places; `names` leads from a location as the model writes it to the new one.
  public init(_ file: MappedFile, renaming names: [String: String]) throws(ONNXFileError) {
    self.file = file
    var rewriter = Rewriter(names: names)
    do {
      pieces =
        try rewriter.pieces(of: .model, WireReader(file.bytes), 0..<file.byteCount) ?? [
          .source(0..<file.byteCount)
        ]
    } catch {
      throw ONNXFileError(.damaged(error, trail: ""), path: file.path)
    }
    byteCount = pieces.reduce(0) { $0 + $1.byteCount }
    renamed = rewriter.renamed
  }

  /// Writes the changed file, whole or not at all.
  public func write(to path: String) throws(ONNXFileError) {
    do {
      let output = try OutputFile(path: path, byteCount: byteCount)
      var offset = 0
      for piece in pieces {
        switch piece {
        // Bytes have no padding, so reading them raw is sound, here and below.
        case .literal(let bytes): try output.write(unsafe bytes.span.bytes, at: offset)
        case .source(let range): try write(range, to: output, at: offset)
        }
        offset += piece.byteCount
      }
      try output.commit()
    } catch {
      throw ONNXFileError(.io(error), path: path)
    }
  }

  /// Whether a file has these very bytes.
  public func isEqual(to other: MappedFile) -> Bool {
    guard other.byteCount == byteCount else { return false }
    var offset = 0
    for piece in pieces {
      for index in 0..<piece.byteCount {
        let byte =
          switch piece {
          case .literal(let bytes): bytes[index]
          case .source(let range): file.bytes[range.lowerBound + index]
          }
        if other.bytes[offset + index] != byte { return false }
      }
      offset += piece.byteCount
    }
    return true
  }

  private func write(_ range: Range<Int>, to output: OutputFile, at offset: Int) throws(ByteIOError) {
    let step = 4 << 20
    for start in stride(from: range.lowerBound, to: range.upperBound, by: step) {
      let part = start..<min(start + step, range.upperBound)
      try output.write(unsafe file.bytes.extracting(part).bytes, at: offset + start - range.lowerBound)
      if part.count == step { file.release(part) }
    }
  }

  /// The messages on the way to a location.
  private enum Kind {
    case model, graph, training, function, node, attribute, tensor, sparseTensor

    /// What a field of the message holds; nil for everything that names no files.
    func content(of field: Int) -> Kind? {
      switch (self, field) {
      case (.model, 7): .graph
      case (.model, 20): .training
      case (.model, 25): .function
      case (.graph, 1), (.function, 7): .node
      case (.graph, 5): .tensor
      case (.graph, 15): .sparseTensor
      case (.training, 1), (.training, 2): .graph
      case (.function, 11), (.node, 5): .attribute
      case (.attribute, 5), (.attribute, 10): .tensor
      case (.attribute, 6), (.attribute, 11): .graph
      case (.attribute, 22), (.attribute, 23): .sparseTensor
      case (.sparseTensor, 1), (.sparseTensor, 2): .tensor
      default: nil
      }
    }
  }

  private struct Rewriter {
    let names: [String: String]
    var renamed: Set<String> = []

    /// The pieces of a message whose content is `range`; nil when nothing in it changes.
    mutating func pieces(
      of kind: Kind, _ wholeMessage: WireReader, _ range: Range<Int>
    ) throws(WireError) -> [Piece]? {
      if kind == .tensor { return try tensorPieces(wholeMessage, range) }
      if kind == .node, try isProgramInFile(wholeMessage) { return try programPieces(wholeMessage, range) }
      var message = wholeMessage
      var result = Collected(range)
      while let field = try message.nextField() {
        guard field.wireType == .lengthDelimited, let content = kind.content(of: field.number) else {
          _ = try message.skip(field)
          continue
        }
        let inner = try message.message()
        let innerRange = inner.byteOffset..<message.byteOffset
        if let changed = try pieces(of: content, inner, innerRange) {
          result.replace(field, upTo: innerRange.upperBound, with: changed)
        }
      }
      return result.pieces
    }

    private mutating func tensorPieces(
      _ wholeMessage: WireReader, _ range: Range<Int>
    ) throws(WireError) -> [Piece]? {
      var message = wholeMessage
      var isExternal = false
      var entries: [(field: WireField, range: Range<Int>, changed: [Piece])] = []
      while let field = try message.nextField() {
        switch (field.number, field.wireType) {
        case (14, .varint): isExternal = try message.int32() == 1
        case (13, .lengthDelimited):
          let inner = try message.message()
          let innerRange = inner.byteOffset..<message.byteOffset
          if let changed = try entryPieces(inner, innerRange) { entries.append((field, innerRange, changed)) }
        default: _ = try message.skip(field)
        }
      }
      guard isExternal else { return nil }
      var result = Collected(range)
      for entry in entries { result.replace(entry.field, upTo: entry.range.upperBound, with: entry.changed) }
      return result.pieces
    }

    /// A `StringStringEntryProto` with the key `location`.
    private mutating func entryPieces(
      _ wholeMessage: WireReader, _ range: Range<Int>
    ) throws(WireError) -> [Piece]? {
      var message = wholeMessage
      var key = ""
      var value: (field: WireField, range: Range<Int>, text: String)?
      while let field = try message.nextField() {
        switch (field.number, field.wireType) {
        case (1, .lengthDelimited): key = try message.string()
        case (2, .lengthDelimited):
          let text = try message.string()
          value = (field, field.byteOffset..<message.byteOffset, text)
        default: _ = try message.skip(field)
        }
      }
      guard key == "location", let value else { return nil }
      return renaming(value.text, value.field, upTo: value.range.upperBound, within: range)
    }

    /// Whether a node is an `EPContext` with `embed_mode` 0.
    private func isProgramInFile(_ wholeNode: WireReader) throws(WireError) -> Bool {
      var node = wholeNode
      var isContext = false
      var isInFile = false
      while let field = try node.nextField() {
        switch (field.number, field.wireType) {
        case (4, .lengthDelimited): isContext = try node.byteArray().elementsEqual("EPContext".utf8)
        case (5, .lengthDelimited):
          var attribute = try node.message()
          var isMode = false
          var number: Int64?
          while let part = try attribute.nextField() {
            switch (part.number, part.wireType) {
            case (1, .lengthDelimited): isMode = try attribute.byteArray().elementsEqual("embed_mode".utf8)
            case (3, .varint): number = try attribute.int64()
            default: _ = try attribute.skip(part)
            }
          }
          if isMode { isInFile = (number ?? 0) == 0 }
        default: _ = try node.skip(field)
        }
      }
      return isContext && isInFile
    }

    private mutating func programPieces(
      _ wholeNode: WireReader, _ range: Range<Int>
    ) throws(WireError) -> [Piece]? {
      var node = wholeNode
      var result = Collected(range)
      while let field = try node.nextField() {
        guard field.number == 5, field.wireType == .lengthDelimited else {
          _ = try node.skip(field)
          continue
        }
        var attribute = try node.message()
        let inner = attribute.byteOffset..<node.byteOffset
        var isPath = false
        var value: (field: WireField, end: Int, bytes: Range<Int>)?
        while let part = try attribute.nextField() {
          switch (part.number, part.wireType) {
          case (1, .lengthDelimited):
            isPath = try attribute.byteArray().elementsEqual("ep_cache_context".utf8)
          case (4, .lengthDelimited):
            let bytes = try attribute.contentRange()
            value = (part, attribute.byteOffset, bytes)
          default: _ = try attribute.skip(part)
          }
        }
        guard isPath, let value else { continue }
        let text = String(decoding: node.copy(value.bytes), as: UTF8.self)
        if let changed = renaming(text, value.field, upTo: value.end, within: inner) {
          result.replace(field, upTo: inner.upperBound, with: changed)
        }
      }
      return result.pieces
    }

    private mutating func renaming(
      _ text: String, _ field: WireField, upTo end: Int, within range: Range<Int>
    ) -> [Piece]? {
      guard let name = names[text] else { return nil }
      renamed.insert(text)
      guard name != text else { return nil }
      var result = Collected(range)
      result.replace(field, upTo: end, with: [.literal(Array(name.utf8))])
      return result.pieces
    }
  }

  /// A message in the making: what was replaced so far, and where the rest of the source goes on.
  private struct Collected {
    private let range: Range<Int>
    private var done: Int
    private var list: [Piece] = []

    init(_ range: Range<Int>) {
      self.range = range
      done = range.lowerBound
    }

    /// Puts `content` in the place of the content of a length-delimited field that ends at `end`.
    mutating func replace(_ field: WireField, upTo end: Int, with content: [Piece]) {
      if field.byteOffset > done { list.append(.source(done..<field.byteOffset)) }
      let length = content.reduce(0) { $0 + $1.byteCount }
      let tag = UInt64(field.number) << 3 | UInt64(WireType.lengthDelimited.rawValue)
      list.append(.literal(Self.varint(tag) + Self.varint(UInt64(length))))
      list += content
      done = end
    }

    /// All pieces; nil when nothing was replaced.
    var pieces: [Piece]? {
      guard !list.isEmpty else { return nil }
      return done < range.upperBound ? list + [.source(done..<range.upperBound)] : list
    }

    private static func varint(_ value: UInt64) -> [UInt8] {
      var bytes: [UInt8] = []
      var rest = value
      while rest >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      return bytes + [UInt8(rest)]
    }
  }
}
