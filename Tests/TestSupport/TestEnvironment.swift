import Foundation

/// The environment variables of the test run.
public enum TestEnvironment {
  /// The value of a variable; nil when it is unset or empty.
  public static subscript(name: String) -> String? {
    guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { return nil }
    return value
  }

  /// All variables.
  public static var all: [String: String] { ProcessInfo.processInfo.environment }
}
