class InvalidDataError(Exception):
    """The data cannot be trained on; the message names field and value and says what to do.

    Another attempt would not change it, so the Job ends with INVALID_DATA_EXIT_CODE.
    """
