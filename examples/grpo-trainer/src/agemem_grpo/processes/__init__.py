"""The servers of a run as child processes: started, watched, restarted, and ended without orphans."""
