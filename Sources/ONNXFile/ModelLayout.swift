public import ByteIO
import ProtobufWire
public import Tensors

/// Whether weights go to a second file beside the model.
public enum ExternalDataPolicy: String, Sendable, CaseIterable {
  /// Only when one file cannot hold the model (2 GiB − 1, the limit of protocol buffers).
  case auto
  case always
  case never
  /// Weights that are not changed and stand in a data file of the source stay there, and the model refers to
  /// them; the rest as `auto`.
  case reference
}

/// Where every byte of a model will be, decided before the first one is written.
///
/// Initializers move to the data file when the policy says so and they have at least 1,024 bytes; smaller
/// ones stay in the model, for shape inference reads them there. In the data file, tensors of 1 MiB and more
/// begin at multiples of 65,536 bytes (the page granularity of every system that maps them), others at
/// multiples of 64.
///
/// Source: onnx.proto, `TensorProto.external_data`.
public struct ModelLayout: Sendable {
  /// The largest message that protocol-buffers readers accept, in bytes.
  public static let singleFileByteLimit = 0x7FFF_FFFF
  static let externalThreshold = 1024
  static let largeAlignment = 65_536
  static let smallAlignment = 64

  public enum Part: Sendable { case model, data }

  /// Bytes and their place in one of the two files.
  public struct Extent: Sendable {
    public let part: Part
    public let byteOffset: Int
    public let bytes: TensorBytes
  }

  /// The model file's own bytes between the payloads: (offset, literal range).
  let literal: [UInt8]
  let literalRuns: [(byteOffset: Int, range: Range<Int>)]
  /// Payloads of both files; those that are promised are written by whoever makes them.
  public let extents: [Extent]
  public let modelByteCount: Int
  /// Nil when there is no data file.
  public let dataByteCount: Int?
  /// Bytes that stay in the source's data files, by location.
  public let referencedByteCounts: [String: Int]

  /// Lays out a model whose external tensors have been resolved (`rawData` set, `externalData` empty).
  ///
  /// - Parameters:
  ///   - dataFileName: name of the data file beside the model.
  ///   - sources: the source's data files with their locations as seen from the new model, for `reference`.
  public init(
    _ model: ModelProto, policy: ExternalDataPolicy, dataFileName: String,
    sources: [FileIdentity: String] = [:], path: String
  )
    throws(ONNXFileError)
  {
    try model.forEachTensor { (tensor) throws(ONNXFileError) in
      if tensor.dataLocation == 1 {
        throw ONNXFileError(
          .externalData(
            tensor: tensor.name ?? "",
            problem: "only initializers can be moved, and this tensor is part of a node; "
              + "save the model with its data inside first"),
          path: path)
      }
    }
    var model = model
    var referenced: [String: Int] = [:]
    if policy == .reference, model.graph != nil {
      model.graph!.moveInitializers { tensor in
        guard let raw = tensor.rawData, raw.byteCount >= Self.externalThreshold,
          case .mapped(let file, let range) = raw, let identity = file.identity,
          let location = sources[identity]
        else { return }
        tensor.refer(to: location, range)
        referenced[location, default: 0] += range.count
      }
    }
    var counter = WireCounter<TensorBytes>()
    model.encode(to: &counter)
    var dataExtents: [Extent] = []
    var dataEnd = 0
    let usesData =
      switch policy {
      case .always: true
      case .never: false
      case .auto, .reference: counter.byteCount > Self.singleFileByteLimit
      }
    if usesData, model.graph != nil {
      model.graph!.moveInitializers { tensor in
        guard let raw = tensor.rawData, raw.byteCount >= Self.externalThreshold else { return }
        let alignment = raw.byteCount >= 1 << 20 ? Self.largeAlignment : Self.smallAlignment
        let offset = (dataEnd + alignment - 1) / alignment * alignment
        dataExtents.append(Extent(part: .data, byteOffset: offset, bytes: raw))
        dataEnd = offset + raw.byteCount
        tensor.refer(to: dataFileName, offset..<dataEnd)
      }
    }
    var emitter = WireEmitter<TensorBytes>()
    model.encode(to: &emitter)
    guard emitter.byteCount <= Self.singleFileByteLimit else {
      throw ONNXFileError(.tooLarge(byteCount: emitter.byteCount), path: path)
    }
    var runs: [(byteOffset: Int, range: Range<Int>)] = []
    var taken = 0
    var offset = 0
    for placement in emitter.placements {
      if placement.literalCount > taken { runs.append((offset, taken..<placement.literalCount)) }
      taken = placement.literalCount
      offset = placement.byteOffset + placement.byteCount
    }
    if emitter.literal.count > taken { runs.append((offset, taken..<emitter.literal.count)) }
    literal = emitter.literal
    literalRuns = runs
    modelByteCount = emitter.byteCount
    referencedByteCounts = referenced
    dataByteCount = dataExtents.isEmpty ? nil : dataEnd
    extents =
      emitter.placements.map { Extent(part: .model, byteOffset: $0.byteOffset, bytes: $0.payload) }
      + dataExtents
  }
}

extension TensorProto {
  /// Makes the tensor say that its bytes are in another file.
  fileprivate mutating func refer(to location: String, _ range: Range<Int>) {
    rawData = nil
    dataLocation = 1
    externalData = [
      StringStringEntryProto(key: "location", value: location),
      StringStringEntryProto(key: "offset", value: String(range.lowerBound)),
      StringStringEntryProto(key: "length", value: String(range.count)),
    ]
  }
}

extension GraphProto {
  /// Visits every initializer of this graph and of the graphs inside its nodes, in file order.
  package mutating func moveInitializers(_ visit: (inout TensorProto) -> Void) {
    for index in initializer.indices { visit(&initializer[index]) }
    for index in node.indices {
      for place in node[index].attribute.indices {
        if node[index].attribute[place].g != nil {
          node[index].attribute[place].g!.value.moveInitializers(visit)
        }
        for inner in node[index].attribute[place].graphs.indices {
          node[index].attribute[place].graphs[inner].moveInitializers(visit)
        }
      }
    }
  }
}

extension ModelProto {
  /// The files that this model's initializers name, in file order, each once.
  public var externalLocations: [String] {
    var found: [String] = []
    var copy = graph ?? GraphProto()
    copy.moveInitializers { tensor in
      guard tensor.dataLocation == 1,
        let location = tensor.externalData.first(where: { $0.key == "location" })?.value,
        !found.contains(location)
      else { return }
      found.append(location)
    }
    return found
  }
}
