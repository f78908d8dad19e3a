import ByteIO

/// What the program does before anything else.
public enum Startup {
  /// Lets interrupts remove unfinished files, and shrinking input files end in a sentence.
  public static func prepare() { SignalCleanup.install() }
}
