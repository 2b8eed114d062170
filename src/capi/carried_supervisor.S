# The bytes of MINI_SUPERVISOR_FILE, read-only and for this library alone.
        .section .rodata
        .balign 16
        .globl mini_capi_supervisor_begin
        .hidden mini_capi_supervisor_begin
        .type mini_capi_supervisor_begin, %object
mini_capi_supervisor_begin:
        .incbin MINI_SUPERVISOR_FILE
        .globl mini_capi_supervisor_end
        .hidden mini_capi_supervisor_end
mini_capi_supervisor_end:
        .size mini_capi_supervisor_begin, . - mini_capi_supervisor_begin
        .section .note.GNU-stack,"",%progbits
