import ByteIO
public import ModelBackend

/// One node of a profile, over all runs.
public struct ProfiledNode: Sendable, Equatable {
  public let name: String
  /// The operator; nodes that a provider fused into one have a name of the provider's making.
  public let operatorName: String
  public let provider: String
  public var runCount: Int
  /// Time in the kernel, summed over the runs.
  public var microseconds: Int

  public init(name: String, operatorName: String, provider: String, runCount: Int, microseconds: Int) {
    self.name = name
    self.operatorName = operatorName
    self.provider = provider
    self.runCount = runCount
    self.microseconds = microseconds
  }
}

/// Reads the profiles that `OnnxRuntimeSession.endProfile` leaves (the trace format of Chrome, one event a node and
/// run).
public enum RuntimeProfile {
  /// The nodes in the order in which they first ran.
  public static func nodes(inFile path: String) throws(BackendError) -> [ProfiledNode] {
    let bytes: [UInt8]
    do throws(ByteIOError) {
      let file = try MappedFile(path: path)
      // Safe: the span lives for the call only, and the array is a copy.
      bytes = unsafe file.bytes.withUnsafeBufferPointer { unsafe [UInt8]($0) }
    } catch {
      throw BackendError(.failed, error.message)
    }
    var cursor = JSONCursor(bytes, path: path)
    var nodes: [ProfiledNode] = []
    var places: [String: Int] = [:]
    try cursor.expect("[")
    if cursor.take("]") { return [] }
    repeat {
      guard let event = try event(&cursor), event.isKernel else { continue }
      if let place = places[event.name] {
        nodes[place].runCount += 1
        nodes[place].microseconds += event.microseconds
      } else {
        places[event.name] = nodes.count
        nodes.append(
          ProfiledNode(
            name: String(event.name.dropLast(kernelSuffix.count)), operatorName: event.operatorName,
            provider: event.provider, runCount: 1, microseconds: event.microseconds))
      }
    } while cursor.take(",")
    try cursor.expect("]")
    return nodes
  }

  private static let kernelSuffix = "_kernel_time"

  private struct Event {
    var category = ""
    var name = ""
    var microseconds = 0
    var operatorName = ""
    var provider = ""

    var isKernel: Bool { category == "Node" && name.hasSuffix(kernelSuffix) }
  }

  private static func event(_ cursor: inout JSONCursor) throws(BackendError) -> Event? {
    var event = Event()
    try cursor.expect("{")
    if cursor.take("}") { return nil }
    repeat {
      let key = try cursor.text()
      try cursor.expect(":")
      switch key {
      case "cat": event.category = try cursor.text()
      case "name": event.name = try cursor.text()
      case "dur": event.microseconds = try cursor.integer()
      case "args": try arguments(&cursor, &event)
      default: try cursor.skip()
      }
    } while cursor.take(",")
    try cursor.expect("}")
    return event
  }

  private static func arguments(_ cursor: inout JSONCursor, _ event: inout Event) throws(BackendError) {
    try cursor.expect("{")
    if cursor.take("}") { return }
    repeat {
      let key = try cursor.text()
      try cursor.expect(":")
      switch key {
      case "op_name": event.operatorName = try cursor.text()
      case "provider": event.provider = try cursor.text()
      default: try cursor.skip()
      }
    } while cursor.take(",")
    try cursor.expect("}")
  }
}
