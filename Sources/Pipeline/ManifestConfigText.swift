import JSONDocuments
import ModelStore

extension ManifestExport.Configuration {
  /// Options of a session as the guide recommends them for production.
  private static let sessionOptions: [JSONMember] = [
    JSONMember("enable_cpu_mem_arena", .bool(false)), JSONMember("enable_mem_pattern", .bool(true)),
    JSONMember("execution_mode", .string("ORT_SEQUENTIAL")),
  ]

  private var members: [JSONMember] {
    [JSONMember("model_name", .string(modelName))]
      + paths.map { JSONMember($0.name, .string($0.path)) }
      + [
        JSONMember("providers", .strings(providers)),
        JSONMember("session_options", .object(Self.sessionOptions)),
      ]
  }

  /// The configuration as a file, with a line end. `variable` is the name of the Python dictionary.
  public func text(_ format: ManifestExport.Format, variable: String = "WHISPER_CONFIG") -> String {
    switch format {
    case .json: return JSON.object(members).text() + "\n"
    case .python: return "\(variable) = " + Self.python(.object(members), indentation: "") + "\n"
    case .yaml: return Self.yaml(members, indentation: "")
    case .toml: return Self.toml(members)
    }
  }

  /// JSON's strings are Python's too.
  private static func python(_ value: JSON, indentation: String) -> String {
    switch value {
    case .null: return "None"
    case .bool(let value): return value ? "True" : "False"
    case .array(let elements):
      return "[" + elements.map { python($0, indentation: indentation) }.joined(separator: ", ") + "]"
    case .object(let members):
      let inner = indentation + "    "
      let lines = members.map {
        inner + JSON.string($0.key).text(.compact) + ": " + python($0.value, indentation: inner) + ",\n"
      }
      return "{\n" + lines.joined() + indentation + "}"
    case .number, .string: return value.text(.compact)
    }
  }

  /// Strings stay in double quotes, so that no word is taken for a number or a truth value.
  private static func yaml(_ members: [JSONMember], indentation: String) -> String {
    members.map { member in
      let head = indentation + member.key + ":"
      if let inner = member.value.members {
        return head + "\n" + yaml(inner, indentation: indentation + "  ")
      }
      guard let elements = member.value.array else { return "\(head) \(member.value.text(.compact))\n" }
      return head + "\n" + elements.map { "\(indentation)  - \($0.text(.compact))\n" }.joined()
    }.joined()
  }

  /// Plain values first, as TOML wants it, then a table.
  private static func toml(_ members: [JSONMember]) -> String {
    let plain = members.filter { $0.value.members == nil }
    let tables = members.filter { $0.value.members != nil }
    return plain.map { "\($0.key) = \($0.value.text())\n" }.joined()
      + tables.map { "\n[\($0.key)]\n" + toml($0.value.members ?? []) }.joined()
  }
}
