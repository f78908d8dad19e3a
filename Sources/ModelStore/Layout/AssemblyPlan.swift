import ByteIO
import JSONDocuments

/// What an assembly is about to do, as its file says it.
struct AssemblyPlan: Equatable {
  enum Phase: String { case assembling, publishing }

  /// A file that is in the tree, complete, and which state of its source it came from.
  struct Copy: Equatable {
    var target: String
    var way: PlacingWay
    var stamp: String
  }

  private static let format = 1

  var phase = Phase.assembling
  /// Whether the layout's folder is made, and not filled up.
  var isNew = true
  var steps: [PlacementStep] = []
  var copies: [Copy] = []
  /// Sources that are removed when the layout is in its place.
  var leftovers: [String] = []
  /// Files of the layout that no longer belong to it.
  var stale: [String] = []

  init() {}

  /// The plan in a file; nil when there is none that can be used.
  init?(readingFrom path: String) {
    guard let file = try? MappedFile(path: path), file.byteCount <= 64 << 20,
      let json = (try? JSONDocument(file.copied(), source: path))?.root.value,
      json["format"]?.integer == Self.format,
      let phase = json["phase"]?.string.flatMap({ Phase(rawValue: $0) })
    else { return nil }
    self.phase = phase
    isNew = json["new"]?.bool ?? true
    steps = (json["steps"]?.array ?? []).compactMap(Self.step)
    copies = (json["copies"]?.array ?? []).compactMap(Self.copy)
    leftovers = (json["leftovers"]?.array ?? []).compactMap(\.string)
    stale = (json["stale"]?.array ?? []).compactMap(\.string).filter(Self.isPlain)
  }

  private static func step(_ json: JSON) -> PlacementStep? {
    guard let source = json["source"]?.string, let target = json["target"]?.string, isPlain(target),
      let way = json["way"]?.string.flatMap({ PlacingWay(rawValue: $0) })
    else { return nil }
    let models = (json["models"]?.array ?? []).compactMap(\.string).filter(isPlain)
    return PlacementStep(source: source, target: target, way: way, models: models)
  }

  private static func copy(_ json: JSON) -> Copy? {
    guard let target = json["target"]?.string, isPlain(target), let stamp = json["stamp"]?.string,
      let way = json["way"]?.string.flatMap({ PlacingWay(rawValue: $0) })
    else { return nil }
    return Copy(target: target, way: way, stamp: stamp)
  }

  private static func isPlain(_ path: String) -> Bool { ContainedFile.objection(to: path) == nil }

  func write(to path: String) throws(ByteIOError) {
    let stepList = steps.map { step in
      JSON.object([
        JSONMember("source", .string(step.source)), JSONMember("target", .string(step.target)),
        JSONMember("way", .string(step.way.rawValue)), JSONMember("models", .strings(step.models)),
      ])
    }
    let copyList = copies.map { copy in
      JSON.object([
        JSONMember("target", .string(copy.target)), JSONMember("way", .string(copy.way.rawValue)),
        JSONMember("stamp", .string(copy.stamp)),
      ])
    }
    let json = JSON.object([
      JSONMember("format", .integer(Self.format)), JSONMember("phase", .string(phase.rawValue)),
      JSONMember("new", .bool(isNew)), JSONMember("steps", .array(stepList)),
      JSONMember("copies", .array(copyList)), JSONMember("leftovers", .strings(leftovers)),
      JSONMember("stale", .strings(stale)),
    ])
    try writeText(json.text(.indented) + "\n", to: path)
  }
}

extension FileStamp {
  /// As a plan keeps it.
  var text: String { "\(identity.device) \(identity.inode) \(byteCount) \(changed)" }
}
