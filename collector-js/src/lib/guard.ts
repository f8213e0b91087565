/**
 * Nothing the snippet does wrong may reach the page: whatever a guarded function throws ends here, unreported, because
 * a console line would only frighten the page's visitors and a report would need the transport that may be at fault.
 */
export function guard<Args extends unknown[]>(run: (...args: Args) => void): (...args: Args) => void {
  return (...args) => {
    try {
      run(...args);
    } catch {
      // See above.
    }
  };
}
